//! Plans that follow from a plan alone: what it started is sticky from then on and draws others to itself, which no plan
//! knew that was made before. What such a plan holds is policy's.

/// So many plans in a row may each follow only from the one before. One settles what a start draws to itself, two what
/// that draws in turn; plans that still change something undo each other, and wait for news like anything else.
pub const MOST_FOLLOW_UPS: u32 = 3;

/// Whether a plan is wanted though nothing happened, and how many there were in a row.
#[derive(Debug, Default)]
pub struct FollowUp {
    wanted: bool,
    in_row: u32,
}

impl FollowUp {
    /// A plan was carried out; `draws`: to its end, and something is active that was not before.
    pub fn carried_out(&mut self, draws: bool) {
        self.wanted = draws && self.in_row < MOST_FOLLOW_UPS;
    }

    /// Whether a plan is wanted though nothing happened.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// A plan is asked for; `news`: because something happened.
    pub fn asked(&mut self, news: bool) {
        self.in_row = if news { 0 } else { self.in_row + 1 };
        self.wanted = false;
    }
}
