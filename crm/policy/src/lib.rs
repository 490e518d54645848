//! Where everything should run, and the steps from here to there.
