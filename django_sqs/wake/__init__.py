"""Wake-up calls: tells resting workers, over a channel they share, that a message is there."""
