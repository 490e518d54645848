//! A second answer, slow and plain: where the primitives of a small cluster go by their location constraints and their
//! colocations of plus or minus INFINITY, when nothing runs yet. It tries every placement instead of ruling out step
//! by step, so it says what is best, not how it is found.

/// One cluster to place.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// How many nodes.
    pub nodes: usize,
    /// For each primitive, its score on each node; `None` where it must not run.
    pub scores: Vec<Vec<Option<i64>>>,
    /// A later primitive, an earlier one, and whether it must be with it (else: must not).
    pub colocations: Vec<(usize, usize, bool)>,
}

/// A node for each primitive, or none.
pub type Placement = Vec<Option<usize>>;

impl Problem {
    /// Whether no rule is broken. A primitive that must be with one that runs nowhere runs nowhere.
    pub fn allows(&self, placement: &Placement) -> bool {
        let may =
            placement.iter().zip(&self.scores).all(|(node, scores)| node.is_none_or(|node| scores[node].is_some()));
        may && self.colocations.iter().all(|(dependent, primary, together)| {
            match (placement[*dependent], placement[*primary]) {
                (None, _) => true,
                (Some(_), None) => !together,
                (Some(one), Some(other)) => (one == other) == *together,
            }
        })
    }

    /// Every placement that breaks no rule and is the best there is: as many primitives run as can, and of those
    /// placements the sum of scores is the highest.
    pub fn best(&self) -> Vec<Placement> {
        let mut best: Vec<Placement> = Vec::new();
        let mut most = (0, i64::MIN);
        let choices = self.nodes + 1;
        for number in 0..choices.pow(self.scores.len() as u32) {
            let choice = |at: usize| (number / choices.pow(at as u32)) % choices;
            let placement: Placement = (0..self.scores.len()).map(|at| choice(at).checked_sub(1)).collect();
            if !self.allows(&placement) {
                continue;
            }
            let running = placement.iter().flatten().count();
            let score = placement.iter().zip(&self.scores).filter_map(|(node, scores)| scores[(*node)?]).sum();
            if (running, score) > most {
                best.clear();
                most = (running, score);
            }
            if (running, score) == most {
                best.push(placement);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_all_is_found() {
        let scores = vec![vec![Some(10), Some(0)], vec![Some(10), Some(5)]];
        let apart = Problem { nodes: 2, scores: scores.clone(), colocations: vec![(1, 0, false)] };
        assert_eq!(apart.best(), [vec![Some(0), Some(1)]]);
        let together = Problem { colocations: vec![(1, 0, true)], ..apart };
        assert_eq!(together.best(), [vec![Some(0), Some(0)]]);
        let banned = Problem { scores: vec![vec![None, None], scores[1].clone()], ..together };
        assert_eq!(banned.best(), [vec![None, None]]);
    }
}
