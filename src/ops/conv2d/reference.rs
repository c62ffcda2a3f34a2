//! CPU reference: loops in the order of the formula's sums, rows innermost so that whole models stay bearable.

use super::Epilogue;
use super::argmax::DEAD;
use super::geometry::Geometry;
use crate::ops::{Array, Real};
use rayon::prelude::*;

/// For output `o` of `count`, the input index that tap `tap` meets; the range of outputs for which it lies inside `0..size`.
fn inside(tap: usize, pad: usize, stride: usize, size: usize, count: usize) -> (usize, usize) {
    let first = pad.saturating_sub(tap).div_ceil(stride);
    let end = (size + pad).saturating_sub(tap).div_ceil(stride);
    (first.min(count), end.min(count))
}

/// Calls `f(y_row, x_row, y_start, x_start, length)` for every row that tap `(u, v)` meets: outputs
/// `y_start + t` read inputs `x_start + t·stride_w`, `t < length`, of these rows.
fn rows(g: &Geometry, u: usize, v: usize, mut f: impl FnMut(usize, usize, usize, usize, usize)) {
    let (top, bottom) = inside(u, g.pad_top, g.stride_h, g.h, g.oh);
    let (left, right) = inside(v, g.pad_left, g.stride_w, g.w, g.ow);
    if left >= right {
        return;
    }
    for i in top..bottom {
        let r = i * g.stride_h + u - g.pad_top;
        let s = left * g.stride_w + v - g.pad_left;
        f(i, r, left, s, right - left);
    }
}

/// All outputs.
pub(super) fn forward<T: Real>(
    g: &Geometry,
    x: &Array<T>,
    w: &Array<T>,
    b: &Array<T>,
) -> Vec<Array<T>> {
    let pooled = g.epilogue == Epilogue::ReluMaxPool2;
    let mut y = Array::zeros([g.n, g.k, g.ph, g.pw]);
    let mut argmax = Array::zeros([g.n, g.k, g.ph, g.pw]);
    let plane = g.ph * g.pw;
    y.data
        .par_chunks_mut(plane)
        .zip(argmax.data.par_chunks_mut(plane))
        .enumerate()
        .for_each(|(nk, (y, argmax))| {
            let (n, k) = (nk / g.k, nk % g.k);
            let z = convolve(g, x, w, b.data[k], n, k);
            match g.epilogue {
                Epilogue::None => y.copy_from_slice(&z),
                Epilogue::Relu => {
                    for (y, z) in y.iter_mut().zip(z) {
                        *y = if z > T::zero() { z } else { T::zero() };
                    }
                }
                Epilogue::ReluMaxPool2 => max_pool_2x2(g, &z, y, argmax),
            }
        });
    if pooled { vec![y, argmax] } else { vec![y] }
}

/// One plane `[OH,OW]` of the convolution: sample n, filter k.
fn convolve<T: Real>(
    g: &Geometry,
    x: &Array<T>,
    w: &Array<T>,
    bias: T,
    n: usize,
    k: usize,
) -> Vec<T> {
    let mut z = vec![bias; g.oh * g.ow];
    for c in 0..g.c {
        for u in 0..g.kh {
            for v in 0..g.kw {
                let weight = w.data[((k * g.c + c) * g.kh + u) * g.kw + v];
                rows(g, u, v, |i, r, j, s, length| {
                    let z = &mut z[i * g.ow + j..][..length];
                    let x = &x.data[((n * g.c + c) * g.h + r) * g.w + s..];
                    for (z, &x) in z.iter_mut().zip(x.iter().step_by(g.stride_w)) {
                        *z = *z + weight * x;
                    }
                });
            }
        }
    }
    z
}

/// ReLU and 2x2 maximum of one plane.
fn max_pool_2x2<T: Real>(g: &Geometry, z: &[T], y: &mut [T], argmax: &mut [T]) {
    for i in 0..g.ph {
        for j in 0..g.pw {
            let window = [0, 1, 2, 3].map(|q| z[(2 * i + q / 2) * g.ow + 2 * j + q % 2]);
            let mut best = 0;
            for q in 1..4 {
                if window[q] > window[best] {
                    best = q;
                }
            }
            let at = i * g.pw + j;
            let alive = window[best] > T::zero();
            y[at] = if alive { window[best] } else { T::zero() };
            argmax[at] = T::lit(if alive { best as f64 } else { f64::from(DEAD) });
        }
    }
}

/// The convolution of x, w and b where argmax says that y has its maxima, 0 where it says that there is none; NaN where that is no place of a
/// window, or y is 0 and has one, or is not and has none.
pub(super) fn chosen(
    g: &Geometry,
    [x, w, b]: [&Array<f64>; 3],
    y: &Array<f64>,
    argmax: &Array<f64>,
) -> Array<f64> {
    let mut values = Array::zeros([g.n, g.k, g.ph, g.pw]);
    let plane = g.ph * g.pw;
    let planes = values.data.par_chunks_mut(plane).enumerate();
    planes.for_each(|(nk, values)| {
        let (n, k) = (nk / g.k, nk % g.k);
        let z = convolve(g, x, w, b.data[k], n, k);
        for (at, value) in values.iter_mut().enumerate() {
            let (i, j) = (at / g.pw, at % g.pw);
            let alive = y.data[nk * plane + at] > 0.0;
            *value = match (argmax.data[nk * plane + at] as u8, alive) {
                (DEAD, false) => 0.0,
                (q @ 0..4, true) => {
                    let [a, b] = [usize::from(q / 2), usize::from(q % 2)];
                    z[(2 * i + a) * g.ow + 2 * j + b]
                }
                _ => f64::NAN,
            };
        }
    });
    values
}

/// dz `[N,K,OH,OW]`: the gradient of the convolution itself, from dy of the output and what forward saved of the epilogue.
pub(super) fn through_epilogue<T: Real>(g: &Geometry, y: &[&Array<T>], dy: &Array<T>) -> Array<T> {
    let mut dz = Array::zeros([g.n, g.k, g.oh, g.ow]);
    match g.epilogue {
        Epilogue::None => dz.data.copy_from_slice(&dy.data),
        Epilogue::Relu => {
            for ((dz, &dy), &y) in dz.data.iter_mut().zip(&dy.data).zip(&y[0].data) {
                *dz = if y > T::zero() { dy } else { T::zero() };
            }
        }
        Epilogue::ReluMaxPool2 => {
            for (at, (&dy, &code)) in dy.data.iter().zip(&y[1].data).enumerate() {
                let code = code.f64() as usize;
                if code == usize::from(DEAD) {
                    continue;
                }
                let (plane, i, j) = (at / (g.ph * g.pw), at / g.pw % g.ph, at % g.pw);
                dz.data[(plane * g.oh + 2 * i + code / 2) * g.ow + 2 * j + code % 2] = dy;
            }
        }
    }
    dz
}

/// `dx[n,c,r,s] = Σ w[k,c,u,v] · dz[n,k,i,j]` over the outputs that tap (u, v) connects with (r, s).
pub(super) fn backward_input<T: Real>(g: &Geometry, w: &Array<T>, dz: &Array<T>) -> Array<T> {
    let mut dx = Array::zeros([g.n, g.c, g.h, g.w]);
    let planes = dx.data.par_chunks_mut(g.h * g.w).enumerate();
    planes.for_each(|(nc, dx)| {
        let (n, c) = (nc / g.c, nc % g.c);
        for k in 0..g.k {
            for u in 0..g.kh {
                for v in 0..g.kw {
                    let weight = w.data[((k * g.c + c) * g.kh + u) * g.kw + v];
                    rows(g, u, v, |i, r, j, s, length| {
                        let dz = &dz.data[((n * g.k + k) * g.oh + i) * g.ow + j..][..length];
                        let dx = dx[r * g.w + s..].iter_mut().step_by(g.stride_w);
                        for (dx, &dz) in dx.zip(dz) {
                            *dx = *dx + weight * dz;
                        }
                    });
                }
            }
        }
    });
    dx
}

/// `dw[k,c,u,v] = Σ x[n,c,r,s] · dz[n,k,i,j]` over samples and outputs.
pub(super) fn backward_weight<T: Real>(g: &Geometry, x: &Array<T>, dz: &Array<T>) -> Array<T> {
    let mut dw = Array::zeros([g.k, g.c, g.kh, g.kw]);
    let kernels = dw.data.par_chunks_mut(g.kh * g.kw).enumerate();
    kernels.for_each(|(kc, dw)| {
        let (k, c) = (kc / g.c, kc % g.c);
        for (tap, dw) in dw.iter_mut().enumerate() {
            for n in 0..g.n {
                rows(g, tap / g.kw, tap % g.kw, |i, r, j, s, length| {
                    let dz = &dz.data[((n * g.k + k) * g.oh + i) * g.ow + j..][..length];
                    let x = &x.data[((n * g.c + c) * g.h + r) * g.w + s..];
                    let products = x.iter().step_by(g.stride_w).zip(dz).map(|(&x, &dz)| x * dz);
                    *dw = *dw + products.sum();
                });
            }
        }
    });
    dw
}

/// `db[k] = Σ dz[n,k,i,j]`.
pub(super) fn backward_bias<T: Real>(g: &Geometry, dz: &Array<T>) -> Array<T> {
    let mut db = Array::zeros([g.k]);
    for (nk, plane) in dz.data.chunks(g.oh * g.ow).enumerate() {
        let sum: T = plane.iter().copied().sum();
        db.data[nk % g.k] = db.data[nk % g.k] + sum;
    }
    db
}
