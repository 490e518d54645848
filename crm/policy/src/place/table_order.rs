//! The order in which Pacemaker walks through the nodes a resource may run on. It decides between nodes with equally
//! much room, and there it is the order of a hash table of GLib's: by a hash of the node's id, not by name. Whoever compares
//! our decisions with Pacemaker's finds these ties decided alike.

/// GLib's smallest table has eight places.
const LEAST_SHIFT: u32 = 3;

/// The primes a hash is divided by, for tables of 1, 2, 4, … places.
const PRIMES: [u32; 20] = [
    1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1_021, 2_039, 4_093, 8_191, 16_381, 32_749, 65_521, 131_071, 262_139,
    524_287,
];

/// The keys' numbers in the order of the table they were put into one after the other.
pub(super) fn table_order(keys: &[&str]) -> Vec<usize> {
    let mut table = Table::new(LEAST_SHIFT);
    for (number, key) in keys.iter().enumerate() {
        table.put(hash(key), number);
        // A table that is nearly full is made anew, a third larger than what is in it.
        let used = number + 1;
        let size = table.places.len();
        if size <= used + used / 16 {
            let shift = usize::BITS - (used * 4 / 3).leading_zeros();
            let mut larger = Table::new(shift.clamp(LEAST_SHIFT, PRIMES.len() as u32 - 1));
            table.places.iter().flatten().for_each(|(hash, number)| larger.put(*hash, *number));
            table = larger;
        }
    }
    table.places.into_iter().flatten().map(|(_, number)| number).collect()
}

/// Likewise for a table that was copied so many times, each time in the order it had: keys that were in each other's way
/// may change places then.
pub(super) fn copied_order(keys: &[&str], copies: u32) -> Vec<usize> {
    // Who comes in each other's way does so in a few places; beyond some copies nothing new is seen.
    const MOST_COPIES: u32 = 32;
    let mut order = table_order(keys);
    for _ in 0..copies.min(MOST_COPIES) {
        let before: Vec<&str> = order.iter().map(|at| keys[*at]).collect();
        let after: Vec<usize> = table_order(&before).into_iter().map(|at| order[at]).collect();
        if after == order {
            break;
        }
        order = after;
    }
    order
}

struct Table {
    places: Vec<Option<(u32, usize)>>,
    prime: u32,
}

impl Table {
    fn new(shift: u32) -> Self {
        Table { places: vec![None; 1 << shift], prime: PRIMES[shift as usize] }
    }

    fn put(&mut self, hash: u32, number: usize) {
        let last = self.places.len() - 1;
        let mut at = (hash.wrapping_mul(11) % self.prime) as usize;
        // The steps grow by one, which comes past every place of a table whose size is a power of two.
        for step in 1..=self.places.len() {
            if self.places[at].is_none() {
                self.places[at] = Some((hash, number));
                return;
            }
            at = (at + step) & last;
        }
    }
}

/// Pacemaker's hash of a text; GLib takes the two smallest values for other purposes.
fn hash(text: &str) -> u32 {
    let hash = text.bytes().fold(0_u32, |hash, byte| {
        // Letters beyond ASCII count as negative there.
        hash.wrapping_mul(31).wrapping_add(i32::from(byte as i8) as u32)
    });
    hash.max(2)
}

#[cfg(test)]
mod tests {
    use super::{copied_order, table_order};

    #[test]
    fn every_key_comes_once_however_many_there_are() {
        for count in [0, 1, 7, 8, 9, 15, 16, 17, 100, 1_000] {
            let keys: Vec<String> = (0..count).map(|number| format!("node{number}")).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let mut order = table_order(&keys);
            order.sort_unstable();
            assert_eq!(order, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_copy_may_have_another_order() {
        // All three belong at place 5; the next ways lead to 6 and, around the end, to 0.
        let keys = ["4", "14", "21"];
        let orders = [0, 1, 2, 3].map(|copies| copied_order(&keys, copies));
        assert_eq!(orders, [[2, 0, 1], [1, 2, 0], [0, 1, 2], [2, 0, 1]]);
        assert_eq!(copied_order(&["node1", "node2"], 5), table_order(&["node1", "node2"]));
    }

    #[test]
    fn the_order_is_that_of_hashes() {
        // 11 times the hash, modulo 7: 3 for node1, 0 for node2.
        assert_eq!(table_order(&["node1", "node2"]), [1, 0]);
    }
}
