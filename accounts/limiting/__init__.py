"""How often an address or a key may ask; counted together by all processes."""
