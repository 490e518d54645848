//! Shows what Corosync says of itself here: ring, quorum and its reasons, votes, links.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", corosync::Status::read()?);
    Ok(())
}
