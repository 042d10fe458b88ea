"""What tests call: tiny videos, the command line, a made-up matcher, training that is killed."""
