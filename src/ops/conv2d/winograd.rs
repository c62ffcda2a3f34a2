//! Winograd's minimal filtering F(4x4,3x3) for 3x3 convolutions of stride 1 with one row of padding (Lavin & Gray, "Fast
//! Algorithms for Convolutional Neural Networks", 2015): 36 multiplications give 16 outputs instead of 144.
//!
//! A transform of every tile, 36 matrix products over channels (or tiles, for the weight gradient), a transform back. The
//! batch goes through in chunks of whole samples, so that the transformed tensors stay small.

use super::Epilogue;
use super::geometry::Geometry;
use crate::error::Result;
use crate::kernel;
use crate::ops::{Capabilities, DeviceClass, Io, Lowering, Problem, Window};
use crate::tensor::{Spec, Tensor};
use bytemuck::{Pod, Zeroable};

/// F(4x4,3x3) adds and subtracts numbers up to 8 times as large as what comes out (the rows of Aᵀ), and its 1/6 and 1/24 are
/// not exact: errors 4-8 times those of direct summation were measured, up to 128 channels.
pub(super) const ROUNDING: f64 = 5.0;

/// Products per tile: 6x6.
const POSITIONS: usize = 36;
/// Outputs along a side of a tile.
const TILE: usize = 4;
/// vec4s in a window.
const WINDOW: usize = Window::BYTES as usize / 16;
/// 4-byte elements in a window, less what its alignment may cost.
const WINDOW_ELEMENTS: usize = (Window::BYTES - Window::ALIGNMENT) as usize / 4;
/// Row panels and column panels that one product reads.
const PANELS: usize = 4;
/// Lanes of a subgroup; panels are whole multiples of it.
const LANES: usize = 8;

/// Input channels times filters below which transforms outweigh products.
const LEAST_CHANNELS: usize = 256;

/// Whether F(4x4,3x3) computes this convolution at all.
fn shape(p: &Problem) -> Result<(), String> {
    let three = p.get("kh") == 3 && p.get("kw") == 3;
    let dense = p.get("stride_h") == 1 && p.get("stride_w") == 1;
    let same = p.get("pad_top") == 1
        && p.get("pad_left") == 1
        && p.get("oh") == p.get("h")
        && p.get("ow") == p.get("w");
    if three && dense && same {
        return Ok(());
    }
    Err("only 3x3, stride 1, one row of zeros on every side".into())
}

/// Whether the rung that reads through uniform windows can run.
pub(super) fn windows(p: &Problem, c: &Capabilities) -> Result<(), String> {
    shape(p)?;
    if c.class != DeviceClass::Software {
        return Err("made for CPU drivers; a GPU does not gather from uniform blocks".into());
    }
    if c.subgroup_size != Some(LANES as u32) {
        return Err("needs subgroups of exactly 8".into());
    }
    if p.get("c") * p.get("k") < LEAST_CHANNELS {
        return Err("with few channels the transforms cost more than the products save".into());
    }
    if p.get("h") * p.get("w") > WINDOW_ELEMENTS {
        return Err(format!(
            "a plane must fit a window of {WINDOW_ELEMENTS} elements"
        ));
    }
    if p.get("c").max(p.get("k")) > 4 * WINDOW / LANES {
        return Err(format!("at most {} channels", 4 * WINDOW / LANES));
    }
    Ok(())
}

/// Rows or columns of a product, cut into panels that each fit a window.
#[derive(Debug, Clone, Copy)]
struct Panels {
    /// Rows (columns) of one panel.
    width: usize,
    /// Blocks of [`PANELS`] panels: one product per pair of blocks.
    blocks: usize,
    /// From one panel to the next, in vec4s.
    stride: usize,
}

impl Panels {
    /// `k4` vec4s along the contraction.
    fn new(count: usize, k4: usize) -> Self {
        let fits = WINDOW / k4 / LANES * LANES;
        let width = (count.div_ceil(PANELS * LANES) * LANES).min(fits);
        Self {
            width,
            blocks: count.div_ceil(PANELS * width),
            stride: (width * k4).next_multiple_of(16),
        }
    }

    /// From one position to the next, in vec4s.
    fn position_stride(&self) -> usize {
        self.blocks * PANELS * self.stride
    }

    /// Rows (columns) of all blocks, padding included.
    fn padded(&self) -> usize {
        self.blocks * PANELS * self.width
    }

    fn workspace(&self, name: &str, l: &mut Lowering) -> Tensor {
        l.workspace(name, Spec::f32([POSITIONS * self.position_stride() * 4]))
    }
}

/// Tiles of a plane.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    /// Tiles in a row.
    x: usize,
    /// Tiles in a sample.
    all: usize,
}

impl Tiles {
    fn new(g: &Geometry) -> Self {
        let x = g.ow.div_ceil(TILE);
        Self {
            x,
            all: x * g.oh.div_ceil(TILE),
        }
    }
}

/// Planes that are read tile by tile: x, or dy through the epilogue.
struct Source<'a> {
    planes: &'a Tensor,
    /// y or argmax; `planes` itself where nothing masks.
    mask: &'a Tensor,
    epilogue: Epilogue,
    channels: usize,
    ph: usize,
    pw: usize,
    /// Whether this is dy.
    gradient: bool,
}

impl<'a> Source<'a> {
    fn x(g: &Geometry, io: &'a Io) -> Self {
        Self {
            planes: io.x(0),
            mask: io.x(0),
            epilogue: Epilogue::None,
            channels: g.c,
            ph: g.h,
            pw: g.w,
            gradient: false,
        }
    }

    fn dy(g: &Geometry, io: &'a Io) -> Self {
        Self {
            planes: io.dy(),
            mask: g.mask(io),
            epilogue: g.epilogue,
            channels: g.k,
            ph: g.ph,
            pw: g.pw,
            gradient: true,
        }
    }

    fn plane(&self) -> usize {
        self.ph * self.pw
    }

    /// A window on `planes` that starts with plane `index`, and where in it.
    fn window(&self, index: usize) -> (Window, u32) {
        Window::at(self.planes, index * self.plane())
    }

    /// The same for the mask; for argmax the position is in bytes.
    fn mask_window(&self, index: usize) -> (Window, u32) {
        let first = index * self.plane();
        if self.epilogue != Epilogue::ReluMaxPool2 {
            return Window::at(self.mask, first);
        }
        let (window, word) = Window::at(self.mask, first / 4);
        (window, 4 * word + (first % 4) as u32)
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct WeightParams {
    rows: u32,
    contracted: u32,
    row_stride: u32,
    contracted_stride: u32,
    turned: u32,
    panel: u32,
    panel_stride: u32,
    position_stride: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct TileParams {
    h: u32,
    w: u32,
    ph: u32,
    pw: u32,
    tiles_x: u32,
    tiles: u32,
    channels: u32,
    first: u32,
    first_tile: u32,
    panel: u32,
    panel_stride: u32,
    position_stride: u32,
    shift: [u32; 4],
    mask_shift: [u32; 4],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct ProductParams {
    k4: u32,
    quads: u32,
    a_panel: u32,
    b_panel: u32,
    first: u32,
    row_stride: u32,
    first_quad: u32,
    columns: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct OutputParams {
    oh: u32,
    ow: u32,
    ph: u32,
    pw: u32,
    tiles_x: u32,
    tiles: u32,
    samples: u32,
    first_sample: u32,
    columns: u32,
    filters: u32,
    first_quad: u32,
    reserved: u32,
}

/// y (and argmax) from x, w, b.
pub(super) fn forward(g: &Geometry, io: &Io, l: &mut Lowering) -> Result<()> {
    let pooled = g.epilogue == Epilogue::ReluMaxPool2;
    let target = Target {
        weight: io.x(1),
        bias: Some(io.x(2)),
        y: io.y(0),
        argmax: pooled.then(|| io.y(1)),
        epilogue: g.epilogue,
        channels: g.k,
        turned: false,
    };
    correlate(g, &Source::x(g, io), &target, l)
}

/// dx: the same correlation over dy, with every filter turned by 180° and the roles of k and c exchanged.
pub(super) fn backward_input(g: &Geometry, io: &Io, dx: &Tensor, l: &mut Lowering) -> Result<()> {
    let target = Target {
        weight: io.x(1),
        bias: None,
        y: dx,
        argmax: None,
        epilogue: Epilogue::None,
        channels: g.c,
        turned: true,
    };
    correlate(g, &Source::dy(g, io), &target, l)
}

/// What a correlation writes, and with which weight.
struct Target<'a> {
    weight: &'a Tensor,
    bias: Option<&'a Tensor>,
    y: &'a Tensor,
    argmax: Option<&'a Tensor>,
    epilogue: Epilogue,
    channels: usize,
    turned: bool,
}

fn correlate(g: &Geometry, source: &Source, target: &Target, l: &mut Lowering) -> Result<()> {
    let tiles = Tiles::new(g);
    let (c4, k4) = (source.channels.div_ceil(4), target.channels.div_ceil(4));
    let rows = Panels::new(target.channels, c4);
    let u = rows.workspace("winograd weight", l);
    transform_weight(g, target, c4, &rows, &u, l)?;

    let output = target.y.numel() / g.n;
    let per_sample = POSITIONS * 16 * (c4 + k4) * tiles.all;
    let chunk = chunk_size(g.n, per_sample, l.workspace_cap(), |samples| {
        let columns = Panels::new(samples * tiles.all, c4);
        let packable =
            samples == g.n || (samples * output).is_multiple_of(4) || target.argmax.is_none();
        packable && 4 * columns.padded() <= WINDOW
    });
    let columns = Panels::new(chunk * tiles.all, c4);
    let padded = columns.padded();
    let v = columns.workspace("winograd tiles", l);
    let m = l.workspace(
        "winograd products",
        Spec::f32([POSITIONS * k4 * 4 * padded]),
    );
    let codes = match target.argmax {
        Some(_) => chunk * output,
        None => 1,
    };
    let codes = l.workspace("winograd argmax", Spec::u32([codes]));

    for first in (0..g.n).step_by(chunk) {
        let samples = chunk.min(g.n - first);
        for s in 0..samples {
            transform_tiles(g, source, tiles, first + s, s * tiles.all, &columns, &v, l)?;
        }
        for position in 0..POSITIONS {
            // Products are stored so that one window shows four positions of a few filter quads.
            let at = (position / 4 * k4 * 4 + position % 4) * padded;
            let place = Placed {
                first: at,
                row_stride: 4 * padded,
                quads: k4,
                columns: padded,
                add: false,
            };
            product(position, c4, (&u, &rows), (&v, &columns), &m, &place, l)?;
        }
        let step = WINDOW / (4 * padded);
        for quad in (0..k4).step_by(step) {
            let params = OutputParams {
                oh: g.oh as u32,
                ow: g.ow as u32,
                ph: target.y.dims()[2] as u32,
                pw: target.y.dims()[3] as u32,
                tiles_x: tiles.x as u32,
                tiles: tiles.all as u32,
                samples: samples as u32,
                first_sample: first as u32,
                columns: padded as u32,
                filters: target.channels as u32,
                first_quad: quad as u32,
                reserved: 0,
            };
            let windows = (0..POSITIONS / 4).map(|q| window(&m, (q * k4 + quad) * 4 * padded));
            let kernel = kernel!("winograd/f4_output_windows")
                .with("EPILOGUE", target.epilogue as u32)
                .with("BIAS", u32::from(target.bias.is_some()));
            let bias = target.bias.unwrap_or(target.weight);
            l.dispatch_windows(
                kernel,
                &[bias, target.y, &codes],
                windows.collect(),
                params,
                [
                    (samples * tiles.all).div_ceil(LANES) as u32,
                    step.min(k4 - quad) as u32,
                    1,
                ],
            )?;
        }
        if let Some(argmax) = target.argmax {
            pack_codes(&codes, samples * output, argmax, first * output, l)?;
        }
    }
    Ok(())
}

/// dw from x and dy: products of transformed tiles, summed over all tiles, and transformed back.
pub(super) fn backward_weight(g: &Geometry, io: &Io, dw: &Tensor, l: &mut Lowering) -> Result<()> {
    let tiles = Tiles::new(g);
    let (x, dy) = (Source::x(g, io), Source::dy(g, io));
    let quads = tiles.all.div_ceil(4);
    let per_sample = POSITIONS * 16 * quads * (g.c + g.k);
    // At least 8 rows of a panel must fit a window; with fewer tiles per chunk more do, and fewer products are needed.
    let chunk = chunk_size(g.n, per_sample, l.workspace_cap(), |samples| {
        WINDOW / (samples * quads) >= 4 * LANES
    });
    let k4 = g.k.div_ceil(4);
    let (rows, columns) = (
        Panels::new(g.k, chunk * quads),
        Panels::new(g.c, chunk * quads),
    );
    let d = rows.workspace("winograd gradient tiles", l);
    let v = columns.workspace("winograd tiles", l);
    let du = l.workspace("winograd dw", Spec::f32([POSITIONS * k4 * g.c * 4]));
    for first in (0..g.n).step_by(chunk) {
        let samples = chunk.min(g.n - first);
        for s in 0..samples {
            transform_tiles4(g, &dy, tiles, first + s, s * quads, &rows, &d, l)?;
            transform_tiles4(g, &x, tiles, first + s, s * quads, &columns, &v, l)?;
        }
        for position in 0..POSITIONS {
            let place = Placed {
                first: position * k4 * g.c,
                row_stride: g.c,
                quads: k4,
                columns: g.c,
                add: first > 0,
            };
            let t4 = samples * quads;
            product(position, t4, (&d, &rows), (&v, &columns), &du, &place, l)?;
        }
    }
    let params = [g.k as u32, g.c as u32, 0, 0];
    let grid = [g.c.div_ceil(64) as u32, k4 as u32, 1];
    l.dispatch(kernel!("winograd/f4_filter"), &[&du, dw], params, grid)
}

/// Largest number of samples whose transformed tensors fit `cap` bytes and that `fits`; at least 1.
fn chunk_size(n: usize, per_sample: usize, cap: u64, fits: impl Fn(usize) -> bool) -> usize {
    let most = (cap as usize / per_sample).clamp(1, n);
    (1..=most).rev().find(|&s| fits(s)).unwrap_or(1)
}

/// A window that starts at vec4 `first`, a multiple of 16.
fn window(tensor: &Tensor, first: usize) -> Window {
    Window::at(tensor, 4 * first).0
}

fn transform_weight(
    g: &Geometry,
    target: &Target,
    c4: usize,
    rows: &Panels,
    u: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let (filter, channel) = (9 * g.c as u32, 9);
    let (row_stride, contracted_stride, contracted) = match target.turned {
        false => (filter, channel, g.c),
        true => (channel, filter, g.k),
    };
    let params = WeightParams {
        rows: target.channels as u32,
        contracted: contracted as u32,
        row_stride,
        contracted_stride,
        turned: u32::from(target.turned),
        panel: rows.width as u32,
        panel_stride: rows.stride as u32,
        position_stride: rows.position_stride() as u32,
    };
    let grid = [target.channels.div_ceil(64) as u32, c4 as u32, 1];
    let kernel = kernel!("winograd/f4_weight");
    l.dispatch(kernel, &[target.weight, u], params, grid)
}

/// Transform the tiles of one sample, four channels to a vec4; its first tile becomes column `first_tile`.
#[allow(clippy::too_many_arguments)]
fn transform_tiles(
    g: &Geometry,
    source: &Source,
    tiles: Tiles,
    sample: usize,
    first_tile: usize,
    columns: &Panels,
    v: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let (channels, plane) = (source.channels, source.plane());
    let c4 = channels.div_ceil(4);
    // Window i shows channels i, i + 4, i + 8, … of this dispatch.
    let step = (WINDOW_ELEMENTS - plane) / (4 * plane) + 1;
    for quad in (0..c4).step_by(step) {
        let index = |i: usize| sample * channels + (4 * quad + i).min(channels - 1);
        let g_windows = [0, 1, 2, 3].map(|i| source.window(index(i)));
        let m_windows = [0, 1, 2, 3].map(|i| source.mask_window(index(i)));
        let params = TileParams {
            h: g.oh as u32,
            w: g.ow as u32,
            ph: source.ph as u32,
            pw: source.pw as u32,
            tiles_x: tiles.x as u32,
            tiles: tiles.all as u32,
            channels: channels as u32,
            first: quad as u32,
            first_tile: first_tile as u32,
            panel: columns.width as u32,
            panel_stride: columns.stride as u32,
            position_stride: columns.position_stride() as u32,
            shift: g_windows.each_ref().map(|w| w.1),
            mask_shift: m_windows.each_ref().map(|w| w.1),
        };
        let windows = g_windows.into_iter().chain(m_windows).map(|w| w.0);
        let kernel = kernel!("winograd/f4_tiles_windows");
        l.dispatch_windows(
            kernel.with("EPILOGUE", source.epilogue as u32),
            &[v],
            windows.collect(),
            params,
            [
                tiles.all.div_ceil(LANES) as u32,
                step.min(c4 - quad) as u32,
                1,
            ],
        )?;
    }
    Ok(())
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct Tile4Params {
    h: u32,
    w: u32,
    tiles_x: u32,
    tiles: u32,
    first: u32,
    first_quad: u32,
    panel: u32,
    panel_stride: u32,
    position_stride: u32,
    shift: u32,
    ph: u32,
    pw: u32,
    mask_shift: u32,
    reserved: [u32; 3],
}

/// Transform the tiles of one sample, four tiles to a vec4; its first quad of tiles becomes `first_quad`.
#[allow(clippy::too_many_arguments)]
fn transform_tiles4(
    g: &Geometry,
    source: &Source,
    tiles: Tiles,
    sample: usize,
    first_quad: usize,
    panels: &Panels,
    out: &Tensor,
    l: &mut Lowering,
) -> Result<()> {
    let step = WINDOW_ELEMENTS / source.plane();
    for first in (0..source.channels).step_by(step) {
        let index = sample * source.channels + first;
        let (window, shift) = source.window(index);
        let (mask, mask_shift) = source.mask_window(index);
        let grid = [
            tiles.all.div_ceil(4 * LANES) as u32,
            step.min(source.channels - first) as u32,
            1,
        ];
        let [h, w, ph, pw] = [g.oh, g.ow, source.ph, source.pw].map(|v| v as u32);
        let common = Tile4Params {
            h,
            w,
            tiles_x: tiles.x as u32,
            tiles: tiles.all as u32,
            first: first as u32,
            first_quad: first_quad as u32,
            panel: panels.width as u32,
            panel_stride: panels.stride as u32,
            position_stride: panels.position_stride() as u32,
            shift,
            ph,
            pw,
            mask_shift,
            reserved: [0; 3],
        };
        if source.gradient {
            let kernel = kernel!("winograd/f4_gradient4_windows");
            let kernel = kernel.with("EPILOGUE", source.epilogue as u32);
            l.dispatch_windows(kernel, &[out], vec![window, mask], common, grid)?;
        } else {
            let kernel = kernel!("winograd/f4_tiles4_windows");
            l.dispatch_windows(kernel, &[out], vec![window], common, grid)?;
        }
    }
    Ok(())
}

/// Where a product goes in its matrix of vec4s over rows.
struct Placed {
    first: usize,
    row_stride: usize,
    quads: usize,
    columns: usize,
    add: bool,
}

/// One position's product, over all blocks of row panels and column panels.
fn product(
    position: usize,
    k4: usize,
    (a, rows): (&Tensor, &Panels),
    (b, columns): (&Tensor, &Panels),
    m: &Tensor,
    place: &Placed,
    l: &mut Lowering,
) -> Result<()> {
    let panel = |t: &Tensor, p: &Panels, index: usize| {
        window(t, position * p.position_stride() + index * p.stride)
    };
    for (i, j) in (0..rows.blocks).flat_map(|i| (0..columns.blocks).map(move |j| (i, j))) {
        let first_column = j * PANELS * columns.width;
        let params = ProductParams {
            k4: k4 as u32,
            quads: place.quads as u32,
            a_panel: rows.width as u32,
            b_panel: columns.width as u32,
            first: (place.first + first_column) as u32,
            row_stride: place.row_stride as u32,
            first_quad: (i * PANELS * rows.width / 4) as u32,
            columns: (place.columns - first_column) as u32,
        };
        let windows = (0..PANELS)
            .map(|p| panel(a, rows, i * PANELS + p))
            .chain((0..PANELS).map(|p| panel(b, columns, j * PANELS + p)));
        let kernel = kernel!("winograd/product_windows");
        let grid = [columns.width / LANES, rows.width / LANES, 1].map(|v| v as u32);
        l.dispatch_windows(
            kernel.with("ACCUMULATE", u32::from(place.add)),
            &[m],
            windows.collect(),
            params,
            grid,
        )?;
    }
    Ok(())
}

/// Bytes of argmax from one u32 each.
fn pack_codes(
    codes: &Tensor,
    count: usize,
    argmax: &Tensor,
    first: usize,
    l: &mut Lowering,
) -> Result<()> {
    let words = count.div_ceil(4);
    for at in (0..words).step_by(WINDOW) {
        let here = WINDOW.min(words - at);
        let params = [here as u32, (first / 4 + at) as u32, 0, 0];
        let kernel = kernel!("winograd/pack_codes_windows");
        let grid = [here.div_ceil(64) as u32, 1, 1];
        l.dispatch_windows(kernel, &[argmax], vec![window(codes, at)], params, grid)?;
    }
    Ok(())
}
