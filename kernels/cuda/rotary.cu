// Rotary position embedding and the norm of each head (rows/rotary.h). One team per head; row n of x is position n mod T.
// Rows of x, y and their gradients are `stride` apart, and each gradient or result may overwrite what it is computed from.
#include "rotary.h"

// x, y [N,H*D]; cos, sin [T,D/2]; rstd [N,H]
KERNEL rotary(int N, int T, int H, int D, int stride, float epsilon, const act *x, const float *cos,
                                  const float *sin, act *y, float *rstd) {
  EACH_ROW(r, (long)N * H) {
    // In 32 bits: there are fewer rows than that, and a long division takes a hundred instructions.
    unsigned n = (unsigned)r / H;
    long at = (long)(n % T) * (D / 2), own = (long)n * stride + (r - (long)n * H) * D;
    rotary_row(D, epsilon, x + own, cos + at, sin + at, y + own, rstd + r);
  }
}

KERNEL rotary_grad(int N, int T, int H, int D, int stride, const act *y, const float *rstd, const float *cos,
                                       const float *sin, const act *dy, act *dx) {
  EACH_ROW(r, (long)N * H) {
    // In 32 bits: there are fewer rows than that, and a long division takes a hundred instructions.
    unsigned n = (unsigned)r / H;
    long at = (long)(n % T) * (D / 2), own = (long)n * stride + (r - (long)n * H) * D;
    rotary_grad_row(D, y + own, rstd[r], cos + at, sin + at, dy + own, dx + own);
  }
}
