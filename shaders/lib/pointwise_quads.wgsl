// Planes of a 1x1 convolution by vec4s: every position is its own (stride 1), and planes are whole vec4s. Stands on lib/gemm_tile.

@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

// Two vec4s of a stage: four positions at channels s and s+4, s = lane / 32.
alias Loaded = array<vec4<f32>, 2>;

// Where channel s of a lane's positions is, and what may stand in for channels that do not exist: the weight is 0 there.
struct Place { at: u32, last: u32 }

fn place_of(first: u32, lane: u32) -> Place {
    let position = min(first + lane % 32u * 4u, (params.n * params.plane) - 4u);
    let start = (position / params.plane * params.c * params.plane + position % params.plane) / 4u;
    return Place(start + lane / 32u * (params.plane / 4u), start + (params.c - 1u) * (params.plane / 4u));
}

fn load(place: Place, step: u32) -> Loaded {
    let channel = params.plane / 4u;
    return Loaded(source[min(place.at + step * channel, place.last)], source[min(place.at + (step + 4u) * channel, place.last)]);
}

fn put(stage: u32, lane: u32, x: Loaded) {
    let s = lane / 32u;
    let half = lane % 32u / 16u;
    rows[half][stage][s / 2u][s % 2u][lane % 16u] = Quad(x[0].x, x[0].y, x[0].z, x[0].w);
    rows[half][stage][s / 2u + 2u][s % 2u][lane % 16u] = Quad(x[1].x, x[1].y, x[1].z, x[1].w);
}

// Channel k of the result at four positions that follow each other.
fn store(position: u32, k: u32, z: vec4<f32>) {
    if position >= params.n * params.plane { return; }
    y[(((params.first + position / params.plane) * params.k + k) * params.plane + position % params.plane) / 4u] = z;
}
