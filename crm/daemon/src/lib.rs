//! systoled: the one program that touches the world.
