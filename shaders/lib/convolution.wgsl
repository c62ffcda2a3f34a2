// One element of any convolution, from the kernel's bindings x [N,C,H,W], w [K,C,KH,KW] and b [K]. Stands on lib/convolution_params.

// z[n,k,i,j] = b[k] + sum over c,u,v of w[k,c,u,v] * x[n,c,i*stride_h+u-pad_top,j*stride_w+v-pad_left], x being 0 outside.
fn convolution(n: u32, k: u32, i: u32, j: u32) -> f32 {
    var sum = b[k];
    for (var c = 0u; c < params.c; c++) {
        var window = 0.0;              // short sums first: rounding grows with the length of a sum
        for (var u = 0u; u < params.kh; u++) {
            // Unsigned: a row above x wraps round to a huge number, so one compare covers both edges.
            let row = i * params.stride_h + u - params.pad_top;
            if row >= params.h { continue; }
            for (var v = 0u; v < params.kw; v++) {
                let column = j * params.stride_w + v - params.pad_left;
                if column >= params.w { continue; }
                window += w[((k * params.c + c) * params.kh + u) * params.kw + v]
                     * x[((n * params.c + c) * params.h + row) * params.w + column];
            }
        }
        sum += window;
    }
    return sum;
}
