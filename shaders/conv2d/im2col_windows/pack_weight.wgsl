// im2col, weight: rows of the matrix that multiplies the columns; a[t,i] = w of filter i, or of channel i turned by 180° for dx.
// w: [K,C,KH,KW]; a: [range][panel][contraction][row] vec4 over four channels at one tap; the contraction runs over channel quads,
// then taps, and is cut into ranges that are packed and multiplied one after the other.
// One invocation: one vec4. One workgroup: 64 rows; y counts the contraction; no shared memory.
// Traffic: 4 reads and 1 vec4 write; once per step and small beside everything else.
// Next rung: none.
struct Params {
    rows: u32, contracted: u32,               // filters and channels, exchanged for dx
    row_stride: u32, contracted_stride: u32,  // in w
    taps: u32, turned: u32,
    panel: u32, panel_stride: u32,            // rows of a panel; vec4s from one to the next
    range: u32, range_stride: u32,            // vec4s along the contraction of a range; from one range to the next
    reserved0: u32, reserved1: u32,
}

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> a: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= params.rows {
        return;
    }
    let quad = id.y / params.taps;
    let tap = id.y - quad * params.taps;
    let at = row * params.row_stride + select(tap, params.taps - 1u - tap, params.turned != 0u);
    var value = vec4(0.0);
    for (var i = 0u; i < 4u; i++) {
        if 4u * quad + i < params.contracted {
            value[i] = w[at + (4u * quad + i) * params.contracted_stride];
        }
    }
    let range = id.y / params.range;
    let panel = row / params.panel;
    a[range * params.range_stride + panel * params.panel_stride
        + (id.y - range * params.range) * params.panel + row - panel * params.panel] = value;
}
