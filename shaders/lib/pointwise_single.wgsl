// Planes of a 1x1 convolution element by element: strides, and planes that are no whole vec4s. Stands on lib/gemm_tile.

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// One position of a stage, all its channels: neighbouring lanes are neighbours in memory, where the stride is 1.
alias Loaded = array<f32, STEP>;

// Where the first channel of a lane's position is, and what may stand in for channels that do not exist: the weight is 0 there.
struct Place { at: u32, last: u32 }

fn place_of(first: u32, lane: u32) -> Place {
    let plane = params.down * params.across;
    let position = min(first + lane, params.n * plane - 1u);
    let at = position / plane * params.c * params.plane + position % plane / params.across * params.row + position % params.across * params.column;
    return Place(at, at + (params.c - 1u) * params.plane);
}

fn load(place: Place, step: u32) -> Loaded {
    var x: Loaded;
    let at = place.at + step * params.plane;
    for (var s = 0u; s < STEP; s++) { x[s] = source[min(at + s * params.plane, place.last)]; }
    return x;
}

fn put(stage: u32, lane: u32, x: Loaded) {
    for (var s = 0u; s < STEP; s++) { rows[lane / 64u][stage][s / 2u][s % 2u][lane % 64u / 4u][lane % 4u] = x[s]; }
}

// Channel k of the result at four positions that follow each other. Between positions that are more than one apart there are zeros: what no
// window of forward looked at.
fn store(position: u32, k: u32, z: vec4<f32>) {
    let plane = params.down * params.across;
    for (var o = 0u; o < 4u; o++) {
        let p = position + o;
        if p >= params.n * plane { return; }
        let i = p % plane / params.across * params.up;
        let j = p % params.across * params.right;
        let start = ((params.first + p / plane) * params.k + k) * params.height;
        for (var r = 0u; r < params.up; r++) {
            for (var s = 0u; s < params.right; s++) {
                if i + r < params.height && j + s < params.width {
                    y[(start + i + r) * params.width + j + s] = select(0.0, z[o], r == 0u && s == 0u);
                }
            }
        }
    }
}
