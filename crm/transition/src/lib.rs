//! A plan as a graph of actions, and walking it.
