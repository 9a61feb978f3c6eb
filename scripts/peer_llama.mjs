// llama.cpp as the peer of `dcode bench --peer "node scripts/peer_llama.mjs"`: the same weights, decoded from left to right.
//
// Needs the package node-llama-cpp (npm install node-llama-cpp), in the present folder or in the one that DCODE_PEER_MODULES
// names. The protocol is that of src/bench/peer.rs: a line of JSON with ids and a number of tokens in, a line with seconds and
// the new ids out.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire((process.env.DCODE_PEER_MODULES ?? process.cwd()) + "/");
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")));

const [modelPath, threads] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: "never", maxThreads: Number(threads), logLevel: "error" });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 4096, batchSize: 512, threads: Number(threads) });

for await (const line of createInterface({ input: process.stdin })) {
    const { tokens, count } = JSON.parse(line);
    const sequence = context.getSequence();
    const start = performance.now();
    const found = [];
    for await (const token of sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
        found.push(token);
        if (found.length >= count) break;
    }
    const seconds = (performance.now() - start) / 1000;
    sequence.dispose();
    console.log(JSON.stringify({ seconds, tokens: found }));
}
process.exit(0);
