// lib/gemm_tile with factors of 16 bits in workgroup memory: half the bytes, the same sums in f32. A product of two f16 is exact in f32.

const STEP: u32 = 8u;                                 // of the contraction, in a stage
const ROWS: u32 = 128u;                               // of a workgroup
const COLUMNS: u32 = 64u;

// Two stages, as there: 6.5 KiB. A quad is two banks wide, so that 16 lanes read 16 of them in a row without a conflict.
alias Quad = array<f16, 4>;
// [half][stage][step / 2][step % 2][quad of the half][row or column of the quad].
var<workgroup> rows: array<array<array<array<array<Quad, 17>, 2>, 4>, 2>, 2>;
var<workgroup> columns: array<array<array<array<array<Quad, 9>, 2>, 4>, 2>, 2>;

// Element 8*g+4*q+o: row o of quad q, the four columns of quad g.
alias Sums = array<vec4<f32>, 16>;

fn step_product(sums: ptr<function, Sums>, a: Quad, b: Quad, c: Quad, d: Quad) {
    let v = vec4<f32>(f32(c[0]), f32(c[1]), f32(c[2]), f32(c[3]));
    let w = vec4<f32>(f32(d[0]), f32(d[1]), f32(d[2]), f32(d[3]));
    for (var o = 0u; o < 4u; o++) {
        (*sums)[o] += f32(a[o]) * v;
        (*sums)[o + 4u] += f32(b[o]) * v;
        (*sums)[o + 8u] += f32(a[o]) * w;
        (*sums)[o + 12u] += f32(b[o]) * w;
    }
}

fn stage_product(sums: ptr<function, Sums>, stage: u32, p: u32, f: u32) {
    step_product(sums, rows[0][stage][0][0][p], rows[1][stage][0][0][p], columns[0][stage][0][0][f], columns[1][stage][0][0][f]);
    step_product(sums, rows[0][stage][0][1][p], rows[1][stage][0][1][p], columns[0][stage][0][1][f], columns[1][stage][0][1][f]);
    step_product(sums, rows[0][stage][1][0][p], rows[1][stage][1][0][p], columns[0][stage][1][0][f], columns[1][stage][1][0][f]);
    step_product(sums, rows[0][stage][1][1][p], rows[1][stage][1][1][p], columns[0][stage][1][1][f], columns[1][stage][1][1][f]);
    step_product(sums, rows[0][stage][2][0][p], rows[1][stage][2][0][p], columns[0][stage][2][0][f], columns[1][stage][2][0][f]);
    step_product(sums, rows[0][stage][2][1][p], rows[1][stage][2][1][p], columns[0][stage][2][1][f], columns[1][stage][2][1][f]);
    step_product(sums, rows[0][stage][3][0][p], rows[1][stage][3][0][p], columns[0][stage][3][0][f], columns[1][stage][3][0][f]);
    step_product(sums, rows[0][stage][3][1][p], rows[1][stage][3][1][p], columns[0][stage][3][1][f], columns[1][stage][3][1][f]);
}
