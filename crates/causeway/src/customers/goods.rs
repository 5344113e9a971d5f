//! What there is to buy, of what the shop's catalogue begins with.

/// The products that are bought.
pub const PRODUCTS: [&str; 12] = [
    "canvas-tent",
    "oak-stool",
    "pocket-map",
    "rain-cape",
    "river-kettle",
    "rope-bag",
    "signal-whistle",
    "storm-lantern",
    "tide-compass",
    "tin-mug",
    "walking-boots",
    "wool-blanket",
];
/// The tags that are given.
pub const TAGS: [&str; 4] = ["camp", "rain", "wayfinding", "comfort"];
