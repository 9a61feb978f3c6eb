//! A queue of fixed size that overwrites its oldest entries.

/// The last `capacity` values that were pushed.
#[derive(Debug)]
pub struct Recent<T> {
    values: Vec<T>,
    capacity: usize,
    next: usize,
}

impl<T: Clone> Recent<T> {
    /// An empty queue.
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a queue needs room for a value");
        Self { values: Vec::with_capacity(capacity), capacity, next: 0 }
    }

    /// Number of values that are there.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds a value; the oldest one goes when the queue is full.
    pub fn push(&mut self, value: T) {
        if self.values.len() < self.capacity {
            self.values.push(value);
        } else {
            self.values[self.next] = value;
        }
        self.next = (self.next + 1) % self.capacity;
    }

    /// All values, the oldest first.
    pub fn to_vec(&self) -> Vec<T> {
        if self.values.len() < self.capacity {
            return self.values.clone();
        }
        let mut ordered = self.values[self.next..].to_vec();
        ordered.extend_from_slice(&self.values[..self.next]);
        ordered
    }

    /// The value that was pushed last.
    pub fn last(&self) -> Option<&T> {
        if self.values.is_empty() {
            return None;
        }
        let index = (self.next + self.capacity - 1) % self.capacity;
        self.values.get(index)
    }
}

/// The mean of numbers, or `None` when there are none.
pub fn mean(numbers: &[f64]) -> Option<f64> {
    if numbers.is_empty() {
        return None;
    }
    let sum: f64 = numbers.iter().sum();
    Some(sum / numbers.len() as f64)
}
