#!/usr/bin/env python3
"""How many of the fixes that `dcode lint --fix` makes in real code are wrong.

    scripts/false_fixes.py rust   --dcode PATH --work DIR [--all-recipes] CRATE…
    scripts/false_fixes.py python --dcode PATH --work DIR [--all-recipes] --python PYTHON [TEST…]

rust: the named dependencies of this repository and everything they depend on are copied out of cargo's registry, fixed, and
compiled together with `cargo check`. A crate that does not compile is counted, put back, and the rest goes on. Only fixes in files
that the compiler read, before the first `#[cfg(test)]` of the file, count as spans.

python: the standard library of PYTHON is copied and fixed (its tests are left as they are), every file is compiled, and the named
tests run on both copies. A test that fails only on the fixed one is printed: each of them is at least one wrong fix.

Nothing is downloaded, and nothing outside DIR is written.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def lint(args, folder):
    """Fixes the files below `folder` in place; the findings that were written."""
    command = [args.dcode, "lint", "--fix", "--json", str(folder)] + (["--all-recipes"] if args.all_recipes else [])
    environment = dict(os.environ, DCODE_HOME=str(args.work / "home"))
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"dcode: {done.stderr}")
    return json.loads(done.stdout)["findings"]


def show(findings, title):
    counts = collections.Counter(finding["recipe"] for finding in findings)
    print(f"\n{title}: {len(findings)}")
    for recipe, count in counts.most_common():
        print(f"  {count:5} {recipe}")


def rust(args):
    packages = [block for block in (ROOT / "Cargo.lock").read_text().split("[[package]]")[1:]]
    field = lambda block, name: (re.search(rf'^{name} = "(.*)"', block, re.M) or [None, None])[1]
    locked = {(field(block, "name"), field(block, "version")) for block in packages if "registry+" in block}
    registry = next(pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")).glob("registry/src/*"))
    work = args.work / "rust"
    shutil.rmtree(work, ignore_errors=True)
    (work / "src").mkdir(parents=True)
    (work / "src/lib.rs").write_text("")
    shutil.copy(ROOT / "Cargo.lock", work)
    manifest = '[package]\nname = "dcode"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\n'
    own = tomllib.loads((ROOT / "Cargo.toml").read_text())
    own = own["dependencies"] | own["dev-dependencies"]
    for crate in args.names:
        needs = own[crate] if isinstance(own[crate], dict) else {"version": own[crate]}
        values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in needs.items())
        manifest += f"{crate} = {{ {values} }}\n"
    (work / "Cargo.toml").write_text(manifest)
    environment = dict(os.environ, CARGO_TARGET_DIR=str(work / "target"), RUSTFLAGS="--cap-lints warn")
    cargo = lambda *words: subprocess.run(["cargo", *words, "--offline"], cwd=work, env=environment, capture_output=True, text=True)
    tree = cargo("tree", "-e", "normal,build", "--prefix", "none", "--format", "{p}")
    used = {tuple(line.split(" (")[0].split(" v")) for line in tree.stdout.splitlines() if " v" in line}
    used = sorted({(name, version.split(" ")[0]) for name, version in used} & locked)
    findings, patches = collections.defaultdict(list), ""
    for name, version in used:
        source, copy = registry / f"{name}-{version}", work / "crates" / f"{name}-{version}"
        shutil.copytree(source, copy)
        for finding in lint(args, copy):
            findings[name, version].append(finding)
        if findings[name, version]:
            patches += f'"{name}-{version}" = {{ path = "{copy}", package = "{name}" }}\n'
    show([finding for found in findings.values() for finding in found], f"fixes in {len(used)} crates")
    (work / "Cargo.toml").write_text(manifest + "\n[workspace]\n\n[patch.crates-io]\n" + patches)
    wrong = []
    while True:
        done = cargo("check", "--message-format", "json", "--keep-going")
        broken = collections.defaultdict(list)
        for line in done.stdout.splitlines():
            message = json.loads(line)
            if message.get("reason") == "compiler-message" and message["message"]["level"] == "error":
                broken[message["manifest_path"]].append(message["message"]["rendered"])
        if done.returncode == 0:
            break
        if not broken:
            sys.exit(done.stderr)
        for path, errors in broken.items():
            copy = pathlib.Path(path).parent
            print(f"\n{copy.name} does not compile:\n" + "\n".join(errors))
            wrong.append((copy.name, len(errors)))
            shutil.rmtree(copy)
            shutil.copytree(registry / copy.name, copy)
    read = set()
    for depinfo in (work / "target").glob("debug/deps/*.d"):
        read.update(re.findall(r"\S+\.rs", depinfo.read_text()))
    counted = []
    for (name, version), found in findings.items():
        for finding in found:
            path = pathlib.Path(finding["path"])
            original = (registry / f"{name}-{version}" / path.relative_to(work / "crates" / f"{name}-{version}")).read_text()
            if str(path) in read and finding["start_byte"] < (original.find("#[cfg(test)]") + 1 or len(original) + 1):
                counted.append(finding)
    show(counted, "of them compiled (before the first `#[cfg(test)]` of a file that the compiler read)")
    print(f"\ncrates that did not compile: {wrong}")


def python(args):
    home = subprocess.run([args.python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True).stdout.strip()
    version = subprocess.run([args.python, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=True).stdout.strip()
    work = args.work / "python"
    shutil.rmtree(work, ignore_errors=True)
    skip = shutil.ignore_patterns("site-packages", "__pycache__", "config-*")
    for copy in ["before", "after"]:
        shutil.copytree(pathlib.Path(home) / "lib" / version, work / copy / "lib" / version, ignore=skip)
    library = work / "after" / "lib" / version
    findings = []
    for entry in sorted(library.iterdir()):
        # The tests, and the old parser's data for tests, are what judges; they stay as they are.
        if entry.name not in ("test", "lib2to3", "idlelib", "turtledemo", "lib-dynload") and (entry.is_dir() or entry.suffix == ".py"):
            findings += lint(args, entry)
    show(findings, "fixes in the standard library")
    run = lambda copy, *words: subprocess.run(
        [args.python, *words], env=dict(os.environ, PYTHONHOME=str(work / copy), PYTHONDONTWRITEBYTECODE="1"), capture_output=True, text=True, cwd=work)
    done = run("after", "-c", f"import compileall, sys; sys.exit(not compileall.compile_dir({str(library)!r}, quiet=1, force=True, rx=__import__('re').compile('/test/|lib2to3')))")
    print(f"\ncompiles: {'yes' if done.returncode == 0 else done.stdout + done.stderr}")
    touched = sorted({pathlib.Path(finding["path"]).relative_to(library).parts[0].removesuffix(".py") for finding in findings})
    tests = args.names or [f"test_{module}" for module in touched]
    tests = [test for test in tests if (library / "test" / f"{test}.py").exists() or (library / "test" / test).is_dir()]
    results = {}
    for copy in ["before", "after"]:
        # One process a test: what hangs or crashes is that test's failure alone.
        results[copy] = {}
        for test in tests:
            try:
                command = [args.python, "-m", "test", "-q", "--timeout", "120", test]
                environment = dict(os.environ, PYTHONHOME=str(work / copy), PYTHONDONTWRITEBYTECODE="1")
                done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=work, timeout=180)
                results[copy][test] = (done.returncode, done.stdout + done.stderr)
            except subprocess.TimeoutExpired:
                results[copy][test] = (124, "took too long")
    worse = [test for test in tests if results["before"][test][0] == 0 and results["after"][test][0] != 0]
    passed = [test for test in tests if results["before"][test][0] == 0]
    print(f"\n{len(tests)} tests, {len(passed)} pass before, {len(worse)} of those fail afterwards")
    for test in worse:
        print(f"\n{test}:\n{results['after'][test][1][-3000:]}")
    tested = {test.removeprefix("test_") for test in passed}
    module = lambda finding: pathlib.Path(finding["path"]).relative_to(library).parts[0].removesuffix(".py")
    show([finding for finding in findings if module(finding) in tested], "fixes in modules whose tests pass before")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("language", choices=["rust", "python"])
parser.add_argument("names", nargs="*")
parser.add_argument("--dcode", required=True, help="the program")
parser.add_argument("--work", required=True, type=lambda path: pathlib.Path(path).resolve(), help="a folder that may be emptied")
parser.add_argument("--all-recipes", action="store_true", help="with the recipes that are off by default")
parser.add_argument("--python", default=sys.executable, help="whose standard library is fixed")
arguments = parser.parse_intermixed_args()
(rust if arguments.language == "rust" else python)(arguments)
