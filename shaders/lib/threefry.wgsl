// Random numbers without a state: number i of a stream is a hash of (key, i), so that a mask is never stored. `ops::random` in Rust.

fn four_rounds(v: vec2<u32>, r: vec4<u32>) -> vec2<u32> {
    var x = v.x;
    var y = v.y;
    x += y; y = ((y << r.x) | (y >> (32u - r.x))) ^ x;
    x += y; y = ((y << r.y) | (y >> (32u - r.y))) ^ x;
    x += y; y = ((y << r.z) | (y >> (32u - r.z))) ^ x;
    x += y; y = ((y << r.w) | (y >> (32u - r.w))) ^ x;
    return vec2<u32>(x, y);
}

// Threefry-2x32, 20 rounds (Salmon et al. 2011): two random words from a key and a counter.
fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
    const even = vec4<u32>(13u, 15u, 26u, 6u);
    const odd = vec4<u32>(17u, 29u, 16u, 24u);
    let k2 = 0x1BD11BDAu ^ key.x ^ key.y;
    var v = counter + key;
    v = four_rounds(v, even) + vec2<u32>(key.y, k2 + 1u);
    v = four_rounds(v, odd) + vec2<u32>(k2, key.x + 2u);
    v = four_rounds(v, even) + vec2<u32>(key.x, key.y + 3u);
    v = four_rounds(v, odd) + vec2<u32>(key.y, k2 + 4u);
    return four_rounds(v, even) + vec2<u32>(k2, key.x + 5u);
}
