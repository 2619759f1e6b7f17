"""What a card's face is made of: colours (`theme`), drawn icons (`icons`), pixel-art scenes (`scenes`, on a `canvas`),
the frame (`frame`) and measured text (`type`)."""
