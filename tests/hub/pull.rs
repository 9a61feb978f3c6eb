//! Downloads from servers that are honest, broken and hostile.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use super::COMMIT;
use super::Files;
use super::Place;
use super::REPO;
use super::server::Hub;
use super::server::Reply;
use super::server::Request;
use crate::desk::Said;

const WEIGHTS: &str = "model.safetensors";

/// A hub that is honest except for the weights.
fn hub(files: &Files, weights: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Hub {
    let files = files.clone();
    Hub::start(move |request| {
        let honest = files.answer(request);
        if request.is_for(WEIGHTS) { weights(request, honest) } else { honest }
    })
}

fn honest(files: &Files) -> Hub {
    hub(files, |_, reply| reply)
}

#[test]
fn a_model_comes_once_and_only_what_is_needed_of_it() {
    let (place, files) = (Place::new(), Files::small());
    let hub = honest(&files);
    let said = place.pull(&hub);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out.trim(), place.folder().join("snapshots").join(COMMIT).display().to_string());
    assert!(said.err.contains("licence: mit") && said.err.contains(&format!("--model {REPO}")), "{}", said.err);
    let licence = said.err.find("licence").unwrap();
    assert!(licence < said.err.find("kB").unwrap(), "before the weights");
    place.has(&files);
    let asked: Vec<String> = hub.asked().iter().map(|request| request.path.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(asked, ["main", "config.json", "tokenizer.json", WEIGHTS]);
    assert!(hub.asked().iter().all(|request| !request.headers.contains_key("authorization")));

    // Again: nothing but the list is asked for.
    let said = place.pull(&hub);
    assert!(said.code == Some(0) && said.err.contains("all here"), "{}", said.err);
    assert_eq!(hub.asked().len(), 5);

    // Known by its name without a hub.
    drop(hub);
    assert_eq!(place.model(None, &["path", REPO]).code, Some(0));
    assert_eq!(place.model(None, &["path", &format!("{REPO}@{COMMIT}")]).code, Some(0));
    let list = place.model(None, &["list", "--json"]).out;
    let rows: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row = rows.iter().find(|row| row["name"] == REPO).unwrap();
    assert_eq!((row["state"].as_str(), row["about"].as_str()), (Some("installed"), Some("downloaded")));
    assert!(place.model(None, &["show", REPO]).out.contains("a denoiser: everything sees everything"));
}

#[test]
fn a_connection_that_breaks_off_is_taken_up_where_it_was() {
    let (place, files) = (Place::new(), Files::small());
    // Breaks off more often than there are tries; each time something new came.
    let hub = hub(&files, |request, reply| if request.before < 5 { reply.cut(50_000) } else { reply });
    let said = place.pull(&hub);
    assert_eq!(said.code, Some(0), "{}", said.err);
    place.has(&files);
    let starts = hub.starts(WEIGHTS);
    assert_eq!(starts[..3], [None, Some(50_000), Some(100_000)]);
}

#[test]
fn a_server_that_never_gets_further_is_given_up_and_gone_on_with_later() {
    let (place, files) = (Place::new(), Files::small());
    let stuck = hub(&files, |request, reply| if request.start().is_none() { reply.cut(70_000) } else { reply.cut(0) });
    place.refuses(&stuck, 5, "the connection ended early after 2 tries; run the same command again");
    let partial = place.blob(&format!("{}.incomplete", files.digest(WEIGHTS)));
    assert_eq!(std::fs::metadata(&partial).unwrap().len(), 70_000);
    let hub = honest(&files);
    assert_eq!(place.pull(&hub).code, Some(0));
    assert_eq!(hub.starts(WEIGHTS), [Some(70_000)]);
    place.has(&files);
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let (place, files) = (Place::new(), Files::small());
    let whole = files.get(WEIGHTS).to_vec();
    let hub = hub(&files, move |request, _| {
        let reply = Reply::ok(whole.clone());
        if request.before == 0 { reply.cut(90_000) } else { reply }
    });
    assert_eq!(place.pull(&hub).code, Some(0));
    assert_eq!(hub.starts(WEIGHTS), [None, Some(90_000)]);
    place.has(&files);
    // One that breaks off at the same place each time gets nowhere, and is left.
    let place = Place::new();
    let whole = files.get(WEIGHTS).to_vec();
    let stuck = super::pull::hub(&files, move |_, _| Reply::ok(whole.clone()).cut(90_000));
    place.refuses(&stuck, 5, "the connection ended early");
}

#[test]
fn wrong_bytes_are_never_a_model() {
    let (place, files) = (Place::new(), Files::small());
    let mut bytes = files.get(WEIGHTS).to_vec();
    bytes[123_456] ^= 1;
    let hub = hub(&files, move |request, _| Reply::part(&bytes, request));
    let said = place.refuses(&hub, 5, "model.safetensors: has the hash");
    assert!(said.err.contains(&files.digest(WEIGHTS)), "{}", said.err);
    assert!(!place.blob(&files.digest(WEIGHTS)).exists());
    assert!(!place.blob(&format!("{}.incomplete", files.digest(WEIGHTS))).exists());
    // The same for a small file, which git's hash covers.
    let place = Place::new();
    let honest = files.clone();
    let hub = Hub::start(move |request| match request.is_for("tokenizer.json") {
        true => Reply::ok(b"[]".to_vec()),
        false => honest.answer(request),
    });
    place.refuses(&hub, 5, "tokenizer.json: has the hash");
}

#[test]
fn what_another_program_left_is_not_built_upon() {
    let (place, files) = (Place::new(), Files::small());
    std::fs::create_dir_all(place.folder().join("blobs")).unwrap();
    std::fs::write(place.blob(&format!("{}.incomplete", files.digest(WEIGHTS))), vec![9; 40_000]).unwrap();
    let hub = honest(&files);
    assert_eq!(place.pull(&hub).code, Some(0));
    assert_eq!(hub.starts(WEIGHTS), [Some(40_000), None], "gone on with, found wrong, fetched again");
    place.has(&files);
    // More than there can be.
    let place = Place::new();
    std::fs::create_dir_all(place.folder().join("blobs")).unwrap();
    std::fs::write(place.blob(&format!("{}.incomplete", files.digest(WEIGHTS))), vec![9; 400_000]).unwrap();
    assert_eq!(place.pull(&honest(&files)).code, Some(0));
    place.has(&files);
}

#[test]
fn each_status_has_its_words() {
    let files = Files::small();
    for (status, says) in [
        (404, "not found (HTTP 404); check the name and the revision"),
        (401, "refused (HTTP 401); check the name, accept the model's terms on its page, and set HF_TOKEN"),
        (403, "refused (HTTP 403)"),
        (429, "busy (HTTP 429) after 2 tries"),
        (503, "busy (HTTP 503) after 2 tries"),
        (418, "unexpected answer (HTTP 418)"),
    ] {
        // For the list, and for the weights.
        let hub = Hub::start(move |_| Reply::status(status).with("retry-after", "0"));
        let place = Place::new();
        place.refuses(&hub, 5, says);
        assert!(!place.cache.exists(), "nothing was begun");
        let hub = self::hub(&files, move |_, _| Reply::status(status).with("retry-after", "0"));
        Place::new().refuses(&hub, 5, says);
    }
    // A busy moment passes, and is waited for as the server says.
    let place = Place::new();
    let hub =
        self::hub(&files, |request, reply| if request.before == 0 { Reply::status(503).with("retry-after", "1") } else { reply });
    let start = Instant::now();
    assert_eq!(place.pull(&hub).code, Some(0));
    assert!(start.elapsed() >= Duration::from_secs(1));
    // Nobody there.
    drop(hub);
    let said = place.model(None, &["pull", "a/b", "--tries", "1"]);
    assert!(said.code == Some(5) && said.err.contains("after 1 tries"), "{}", said.err);
}

#[test]
fn a_token_goes_to_the_hub_alone() {
    let (place, files) = (Place::new(), Files::small());
    let weights = files.get(WEIGHTS).to_vec();
    let storage = Hub::start(move |request| Reply::part(&weights, request));
    let address = format!("{}/signed/{WEIGHTS}?signature=secret", storage.url());
    let hub = hub(&files, move |request, reply| match request.method.as_str() {
        "GET" if request.before == 0 => Reply::status(302).with("location", &address),
        _ => reply,
    });
    let output = place.command(Some(&hub), &["pull", REPO]).env("HF_TOKEN", "hf_verysecret").output().unwrap();
    let said = Said::of(output);
    assert_eq!(said.code, Some(0), "{}", said.err);
    place.has(&files);
    assert!(
        hub.asked()
            .iter()
            .all(|request| request.headers.get("authorization").map(String::as_str) == Some("Bearer hf_verysecret"))
    );
    assert_eq!(storage.asked().len(), 1);
    assert!(!storage.asked()[0].headers.contains_key("authorization"), "{:?}", storage.asked()[0].headers);
    assert!(!said.err.contains("verysecret") && !said.out.contains("verysecret") && !said.err.contains("signature"));

    // A relative redirect stays with the hub.
    let (place, weights) = (Place::new(), files.get(WEIGHTS).to_vec());
    let hub = self::hub(&files, move |request, _| match request.path.starts_with("/elsewhere/") {
        true => Reply::part(&weights, request),
        false => Reply::status(307).with("location", &format!("/elsewhere/{WEIGHTS}")),
    });
    let output = place.command(Some(&hub), &["pull", REPO]).env("HF_TOKEN", "hf_verysecret").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(hub.asked().last().unwrap().headers.contains_key("authorization"));

    // Errors name the hub's address, never the signed one.
    let place = Place::new();
    let storage = Hub::start(|_| Reply::status(503).with("retry-after", "0"));
    let address = format!("{}/signed?signature=secret", storage.url());
    let hub = self::hub(&files, move |_, _| Reply::status(302).with("location", &address));
    let said = place.refuses(&hub, 5, "busy (HTTP 503)");
    assert!(!said.err.contains("signature"), "{}", said.err);
    // What a token cannot be used for.
    for (endpoint, token, says) in
        [("http://hub.example", "hf_verysecret", "sent in the clear"), ("https://hub.example", "hf_very\nsecret", "no token has")]
    {
        let mut command = place.command(None, &["pull", REPO]);
        let said = Said::of(command.env("HF_ENDPOINT", endpoint).env("HF_TOKEN", token).output().unwrap());
        assert!(said.code == Some(2) && said.err.contains(says) && !said.err.contains("verysecret"), "{}", said.err);
    }
}

#[test]
fn redirects_that_lead_nowhere_are_refused() {
    let files = Files::small();
    for (location, says) in [
        (format!("/{REPO}/resolve/{COMMIT}/{WEIGHTS}"), "redirects without end"),
        ("file:///etc/passwd".to_owned(), "a redirect to something that is no"),
        ("ftp://127.0.0.1/x".to_owned(), "not http or https"),
        ("http://".to_owned(), "a redirect to something that is no"),
    ] {
        let hub = hub(&files, move |_, _| Reply::status(302).with("location", &location));
        Place::new().refuses(&hub, 5, says);
    }
    // Without a place to go, it is no redirect.
    let hub = hub(&files, |_, _| Reply::status(302));
    Place::new().refuses(&hub, 5, "unexpected answer (HTTP 302)");
}

#[test]
fn lies_about_the_length_are_found() {
    let files = Files::small();
    for length in [299_999, 300_001, 5_000_000_000] {
        let hub = hub(&files, move |_, reply| reply.length(Some(length)));
        let place = Place::new();
        place.refuses(&hub, 5, &format!("the server sends {length} bytes, the list of files says 300000"));
        assert!(!place.blob(&format!("{}.incomplete", files.digest(WEIGHTS))).exists());
    }
    // No length, and more or less than there should be.
    let hub = hub(&files, |_, mut reply| {
        reply.body.push(1);
        reply.length(None)
    });
    Place::new().refuses(&hub, 5, "the server sends more than 300000 bytes");
    let hub = super::pull::hub(&files, |request, reply| reply.length(None).cut(if request.start().is_none() { 1000 } else { 0 }));
    Place::new().refuses(&hub, 5, "the connection ended early");
    // And a body without an end, in chunks: what is kept of it is bounded.
    let hub = super::pull::hub(&files, |_, reply| Reply { endless: true, body: vec![7; 4000], ..reply });
    Place::new().refuses(&hub, 5, "the server sends more than 300000 bytes");
    let hub = Hub::start(|_| Reply { endless: true, ..Reply::ok(vec![b' '; 65_536]) });
    Place::new().refuses(&hub, 5, "more than 16777216 bytes");
}

#[test]
fn another_part_of_the_file_is_refused() {
    let files = Files::small();
    let whole = files.get(WEIGHTS).to_vec();
    for range in ["bytes 0-299999/300000", "bytes 50000-299999/300001", "nonsense"] {
        let whole = whole.clone();
        let hub = hub(&files, move |request, reply| match request.start() {
            None => reply.cut(50_000),
            Some(start) => Reply { body: whole[start..].to_vec(), ..Reply::status(206) }.with("content-range", range),
        });
        Place::new().refuses(&hub, 5, "another part of the file");
    }
}

#[test]
fn names_that_leave_the_folder_refuse_everything() {
    for name in ["../../escape.safetensors", "/etc/escape", "a/../../escape", "..\\escape", "C:escape"] {
        let files = Files::small();
        let mut listing = files.listing();
        listing["siblings"].as_array_mut().unwrap().push(json!({ "rfilename": name, "size": 1, "blobId": "0".repeat(40) }));
        let hub = Hub::start(move |_| Reply::ok(listing.to_string().into_bytes()));
        let place = Place::new();
        place.refuses(&hub, 4, "which would leave the model's folder; nothing was downloaded");
        assert!(!place.cache.exists() && hub.asked().len() == 1);
    }
    // The index cannot name what is not in the list either.
    let mut files = Files::small();
    files.set("model.safetensors.index.json", json!({ "weight_map": { "a": "../x.safetensors" } }).to_string().into_bytes());
    Place::new().refuses(&honest(&files), 5, "which is not there");
}

#[test]
fn what_is_no_list_or_no_model_is_refused_before_weights_come() {
    for answer in ["", "[]", "{\"sha\": \"main\", \"siblings\": []}", "<html>"] {
        let hub = Hub::start(move |_| Reply::ok(answer.as_bytes().to_vec()));
        Place::new().refuses(&hub, 5, "not a list of a model's files");
    }
    let without = |name: &str| {
        let mut files = Files::small();
        files.0.retain(|(known, _)| *known != name);
        files
    };
    Place::new().refuses(&honest(&without("config.json")), 5, "no config.json");
    Place::new().refuses(&honest(&without("tokenizer.json")), 5, "neither tokenizer.json");
    Place::new().refuses(&honest(&without(WEIGHTS)), 5, "no weights as .safetensors or .gguf");
    let mut files = Files::small();
    for config in [r#"{"model_type":"mamba"}"#, "{"] {
        files.set("config.json", config.as_bytes().to_vec());
        let hub = honest(&files);
        Place::new().refuses(&hub, 5, "dcode cannot run it: config.json");
        assert!(hub.starts(WEIGHTS).is_empty());
    }
}

#[test]
fn a_disk_without_room_is_seen_before() {
    let files = Files::small();
    let mut listing = files.listing();
    let weights = listing["siblings"].as_array_mut().unwrap().iter_mut().find(|file| file["rfilename"] == WEIGHTS).unwrap();
    weights["lfs"]["size"] = json!(1u64 << 42);
    let honest = files.clone();
    let hub = Hub::start(move |request| match request.path.starts_with("/api/") {
        true => Reply::ok(listing.to_string().into_bytes()),
        false => honest.answer(request),
    });
    Place::new().refuses(&hub, 4, "make room or set HF_HUB_CACHE");
    assert!(hub.starts(WEIGHTS).is_empty());
}

#[test]
fn a_list_without_hashes_is_completed_by_the_files_own_headers() {
    let (place, files) = (Place::new(), Files::small());
    let names: Vec<Value> = files.0.iter().map(|(name, _)| json!({ "rfilename": name })).collect();
    let listing = json!({ "sha": COMMIT, "siblings": names }).to_string();
    let honest = files.clone();
    let hub = Hub::start(move |request| {
        if request.path.starts_with("/api/") {
            return Reply::ok(listing.clone().into_bytes());
        }
        let name = request.path.rsplit('/').next().unwrap();
        let tag = format!("\"{}\"", honest.digest(name));
        match (request.method.as_str(), name) {
            // As the hub does it for what lies in its large-file storage.
            ("HEAD", WEIGHTS) => {
                let size = honest.get(name).len().to_string();
                Reply::status(302)
                    .with("location", "http://127.0.0.1:9/x")
                    .with("x-linked-etag", &tag)
                    .with("x-linked-size", &size)
            }
            ("HEAD", _) => Reply::ok(honest.get(name).to_vec()).with("etag", &tag),
            _ => honest.answer(request),
        }
    });
    let said = place.pull(&hub);
    assert_eq!(said.code, Some(0), "{}", said.err);
    place.has(&files);
    // Without any hash there is nothing to compare with.
    let listing =
        json!({ "sha": COMMIT, "siblings": [{ "rfilename": "config.json" }, { "rfilename": "tokenizer.json" }] }).to_string();
    let honest = files.clone();
    let hub = Hub::start(move |request| match request.path.starts_with("/api/") {
        true => Reply::ok(listing.clone().into_bytes()),
        false => honest.answer(request).with("etag", "\"no hash\""),
    });
    Place::new().refuses(&hub, 5, "name its size and its hash");
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_what_can_be_gone_on_with() {
    let (place, files) = (Place::new(), Files::small());
    let slow = hub(&files, |_, reply| Reply { pause: Some(Duration::from_millis(20)), ..reply });
    let mut command = place.command(Some(&slow), &["pull", REPO]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let partial = place.blob(&format!("{}.incomplete", files.digest(WEIGHTS)));
    let until = Instant::now() + Duration::from_secs(30);
    while std::fs::metadata(&partial).map_or(0, |data| data.len()) < 5_000 {
        assert!(Instant::now() < until, "nothing came");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let said = Said::of(child.wait_with_output().unwrap());
    assert!(
        said.code == Some(130) && said.err.contains("the same command goes on where it stopped"),
        "{:?} {}",
        said.code,
        said.err
    );
    place.has_no_model();
    let len = std::fs::metadata(&partial).unwrap().len() as usize;
    assert!((5_000..300_000).contains(&len));
    let hub = honest(&files);
    assert_eq!(place.pull(&hub).code, Some(0));
    assert_eq!(hub.starts(WEIGHTS), [Some(len)]);
    place.has(&files);
}

#[test]
fn two_at_once_do_not_collide() {
    let (place, files) = (Place::new(), Files::small());
    // Another program has the file: refused at once, with the lock's name.
    let lock = place.cache.join(".locks/models--some--small-model").join(format!("{}.lock", files.digest(WEIGHTS)));
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let held = File::create(&lock).unwrap();
    held.lock().unwrap();
    let hub = honest(&files);
    let said = place.refuses(&hub, 4, "another program downloads it now");
    assert!(said.err.contains(&format!("{}.lock", files.digest(WEIGHTS))), "{}", said.err);
    drop(held);
    assert_eq!(place.pull(&hub).code, Some(0));
    place.has(&files);
    // Two of our own: one comes through, the other too or is refused, and what is there is right.
    let place = Place::new();
    let slow = super::pull::hub(&files, |_, reply| Reply { pause: Some(Duration::from_millis(1)), ..reply });
    let start = || place.command(Some(&slow), &["pull", REPO]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let codes = [start(), start()].map(|child| Said::of(child.wait_with_output().unwrap()).code);
    assert!(codes.contains(&Some(0)) && codes.iter().all(|code| matches!(code, Some(0 | 4))), "{codes:?}");
    place.has(&files);
}

#[test]
fn files_are_verified_and_removed() {
    let (place, files) = (Place::new(), Files::small());
    assert_eq!(place.pull(&honest(&files)).code, Some(0));
    let said = place.model(None, &["verify", REPO]);
    assert!(
        said.code == Some(0) && said.out.lines().count() == 3 && said.out.lines().all(|line| line.starts_with("ok ")),
        "{}",
        said.out
    );
    // One byte.
    let blob = place.blob(&files.digest(WEIGHTS));
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[7] ^= 1;
    std::fs::write(&blob, &bytes).unwrap();
    for arguments in [&["verify", REPO][..], &["verify"]] {
        let said = place.model(None, arguments);
        assert!(
            said.code == Some(5) && said.out.contains("damaged     some/small-model@0123456789ab model.safetensors"),
            "{}",
            said.out
        );
    }
    std::fs::remove_file(&blob).unwrap();
    assert!(place.model(None, &["verify", REPO]).out.contains("missing     some/small-model"));

    let said = place.model(None, &["rm", REPO]);
    assert!(said.code == Some(2) && said.err.contains("add --yes") && place.folder().exists(), "{}", said.err);
    let said = place.model(None, &["rm", REPO, "--yes"]);
    assert!(said.code == Some(0) && said.err.contains("removed some/small-model: 1 revision"), "{}", said.err);
    assert!(!place.folder().exists());
    let said = place.model(None, &["rm", REPO, "--yes"]);
    assert!(said.code == Some(5) && said.err.contains("nothing of some/small-model"), "{}", said.err);
}

#[test]
fn a_revision_that_stays_keeps_what_it_shares() {
    let (place, files) = (Place::new(), Files::small());
    assert_eq!(place.pull(&honest(&files)).code, Some(0));
    // A second revision with other weights and the same tokenizer.
    let mut newer = files.clone();
    newer.set(WEIGHTS, vec![3; 1000]);
    let answers = newer.clone();
    let commit = "f".repeat(40);
    let other = commit.clone();
    let hub = Hub::start(move |request| {
        let path = request.path.replace(&other, COMMIT);
        match path.starts_with("/api/") {
            true => Reply::ok(answers.listing().to_string().replace(COMMIT, &other).into_bytes()),
            false => answers.answer(&Request { path, ..request.clone() }),
        }
    });
    let said = place.model(Some(&hub), &["pull", &format!("{REPO}@v2")]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(hub.starts("tokenizer.json").is_empty(), "it is there already");
    let said = place.model(None, &["rm", &format!("{REPO}@v2"), "--yes"]);
    assert!(said.err.contains("1 other revision of it stay"), "{}", said.err);
    place.has(&files);
    assert_eq!(place.model(None, &["path", &format!("{REPO}@v2")]).code, Some(5));
    assert_eq!(place.model(None, &["verify", REPO]).code, Some(0));
}

#[test]
fn what_cannot_be_asked_for_is_said_without_a_request() {
    let place = Place::new();
    for (arguments, code, says) in [
        (&["pull", "no-such-model"][..], 2, "`dcode model list` shows the names"),
        (&["pull", "diffcoder"], 2, "did you mean stable-diffcoder-8b-base?"),
        (&["pull", "../x/y"], 2, "no model is called"),
        (&["pull", "llada-moe-7b-instruct"], 2, "cannot run llada-moe-7b-instruct yet"),
        (&["pull", "a/b", "--tries", "0"], 2, "0 is not in 1..=100"),
        (&["show", "no-such-model"], 5, "is not installed"),
        (&["path", "open-dcoder-0.5b"], 5, "`dcode model pull open-dcoder-0.5b` downloads it"),
        (&["verify", "a/b"], 5, "is not installed"),
        (&["rm", "no-such-model"], 2, "no model is called"),
    ] {
        let said = place.model(None, arguments);
        assert!(said.code == Some(code) && said.err.contains(says), "{arguments:?}: {:?} {}", said.code, said.err);
    }
    let offline = Said::of(place.command(None, &["pull", "a/b"]).env("HF_HUB_OFFLINE", "1").output().unwrap());
    assert!(offline.code == Some(2) && offline.err.contains("HF_HUB_OFFLINE is set"), "{}", offline.err);
    let wrong = Said::of(place.command(None, &["pull", "a/b"]).env("HF_ENDPOINT", "hub").output().unwrap());
    assert!(wrong.code == Some(2) && wrong.err.contains("not an http or https address"), "{}", wrong.err);
    // What the registry says needs no file.
    let shown = place.model(None, &["show", "dreamon-7b"]).out;
    assert!(shown.contains("Apache-2.0") && shown.contains("installed    no"), "{shown}");
}
