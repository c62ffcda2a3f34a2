// F(4x4,3x3) for invocations that have a tile of one channel each. Stands on lib/winograd_large.

alias Value = f32;

const TILE: u32 = 4u;                // outputs along a side of a tile
const SIDE: u32 = 6u;                // products along it

alias Outputs = array<f32, TILE>;
alias Products = array<f32, SIDE>;

fn tile_column(x: Products) -> Products {
    let z = of_tile(x[0], x[1], x[2], x[3], x[4], x[5]);
    return Products(z.a, z.b, z.c, z.d, z.e, z.f);
}

fn filter_column(x: array<f32, 3>) -> Products {
    let z = of_filter(x[0], x[1], x[2]);
    return Products(z.a, z.b, z.c, z.d, z.e, z.f);
}

fn output_column(x: Products) -> Outputs {
    let z = to_outputs(x[0], x[1], x[2], x[3], x[4], x[5]);
    return Outputs(z.a, z.b, z.c, z.d);
}

fn gradient_column(x: Outputs) -> Products {
    let z = of_gradient(x[0], x[1], x[2], x[3]);
    return Products(z.a, z.b, z.c, z.d, z.e, z.f);
}

fn weight_column(x: Products) -> array<f32, 3> {
    let z = to_filter(x[0], x[1], x[2], x[3], x[4], x[5]);
    return array<f32, 3>(z.a, z.b, z.c);
}
