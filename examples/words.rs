//! Counts words.

use std::collections::HashMap;

/// How often each word occurs.
pub fn count(text: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word.to_string()).or_insert(0) += 1;
    }
    counts
}

/// The most frequent words, the first of equals by the alphabet.
pub fn top(text: &str, n: usize) -> Vec<(String, usize)> {
    let mut pairs: Vec<(String, usize)> = count(text).into_iter().collect();
    pairs.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    pairs.truncate(n);
    return pairs;
}

fn main() {
    let text = "the cat saw the dog and the dog saw the cat";
    for (word, n) in top(text, 3) {
        println!("{word} {n}");
    }
}
