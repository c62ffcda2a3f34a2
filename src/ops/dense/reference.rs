//! CPU reference: three matrix products, written as sums.

use crate::ops::{Array, Real};

/// `y[n,o] = b[o] + Σ w[o,i] · x[n,i]`, then ReLU if asked.
pub(super) fn forward<T: Real>(x: &Array<T>, w: &Array<T>, b: &Array<T>, relu: bool) -> Array<T> {
    let (&[samples, inputs], outputs) = (&extents(x), extents(w)[0]);
    let mut y = Array::zeros([samples, outputs]);
    for n in 0..samples {
        for o in 0..outputs {
            let (x, w) = (&x.data[n * inputs..], &w.data[o * inputs..]);
            let products = x.iter().zip(w).take(inputs).map(|(&x, &w)| x * w);
            let z = b.data[o] + products.sum();
            y.data[n * outputs + o] = if !relu || z > T::zero() { z } else { T::zero() };
        }
    }
    y
}

/// `dx[n,i] = Σ dz[n,o] · w[o,i]`.
pub(super) fn backward_input<T: Real>(w: &Array<T>, dz: &Array<T>) -> Array<T> {
    let ([samples, outputs], inputs) = (extents(dz), extents(w)[1]);
    let mut dx = Array::zeros([samples, inputs]);
    for n in 0..samples {
        for o in 0..outputs {
            let dz = dz.data[n * outputs + o];
            for i in 0..inputs {
                let dx = &mut dx.data[n * inputs + i];
                *dx = *dx + dz * w.data[o * inputs + i];
            }
        }
    }
    dx
}

/// `dw[o,i] = Σ dz[n,o] · x[n,i]`.
pub(super) fn backward_weight<T: Real>(x: &Array<T>, dz: &Array<T>) -> Array<T> {
    let ([samples, outputs], inputs) = (extents(dz), extents(x)[1]);
    let mut dw = Array::zeros([outputs, inputs]);
    for n in 0..samples {
        for o in 0..outputs {
            let dz = dz.data[n * outputs + o];
            for i in 0..inputs {
                let dw = &mut dw.data[o * inputs + i];
                *dw = *dw + dz * x.data[n * inputs + i];
            }
        }
    }
    dw
}

/// `db[o] = Σ dz[n,o]`.
pub(super) fn backward_bias<T: Real>(dz: &Array<T>) -> Array<T> {
    let [samples, outputs] = extents(dz);
    let mut db = Array::zeros([outputs]);
    for n in 0..samples {
        for o in 0..outputs {
            db.data[o] = db.data[o] + dz.data[n * outputs + o];
        }
    }
    db
}

fn extents<T: Real>(a: &Array<T>) -> [usize; 2] {
    [a.dims()[0], a.dims()[1]]
}
