// The heart of the products for GPUs: two factors in workgroup memory, 8x8 sums in the registers of each of 128 invocations.
//
// A stage is 8 steps of the contraction of 128 rows and 64 columns, four of a step in a vec4. Each invocation owns two quads of rows (p, p+16)
// and two of columns (f, f+8): per step 4 vec4s, 64 bytes, for 64 multiply-adds. What 16 neighbours read of the rows are 16 vec4s in a row, what
// they read of the columns is the same one for all: no two want different words of a bank. Lanes that store one step each, 8 of them side by
// side, would all hit one bank if a step were 32 vec4s long; one vec4 of padding moves each by four banks.
// Steps are written out, and arrays are nested, so that all indices but the stage and the invocation's own place are constants: those two are
// clamped (as WGSL demands where an index might be too large) once per stage, not at each load.
// The kernel says what a Factor is: f32, or f16, of which a product is exact in f32; then all of this is half as many bytes, and a quad two banks.

const STEP: u32 = 8u;                                 // of the contraction, in a stage
const ROWS: u32 = 128u;                               // of a workgroup
const COLUMNS: u32 = 64u;

// Two stages: while one is read, the next is on its way from memory and then written into the other: one barrier per stage. 13 KiB, of f16 6.5.
// No vec4s, though all loads are: lanes write single elements, and a language may write a vector's element by writing all four (Metal's does).
alias Quad = array<Factor, 4>;
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
