// Rotary position embedding and the norm of each head (rows/rotary.h). One team per head; row n of x is position n mod T.
#include "rotary.h"

// x, y [N,H*D]; cos, sin [T,D/2]; rstd [N,H]
KERNEL rotary(int N, int T, int H, int D, float epsilon, const act *x, const float *cos,
                                  const float *sin, act *y, float *rstd) {
  EACH_ROW(r, (long)N * H) {
    // In 32 bits: there are fewer rows than that, and a long division takes a hundred instructions.
    long at = (long)((unsigned)r / H % T) * (D / 2);
    rotary_row(D, epsilon, x + r * D, cos + at, sin + at, y + r * D, rstd + r);
  }
}

KERNEL rotary_grad(int N, int T, int H, int D, const act *y, const float *rstd, const float *cos,
                                       const float *sin, const act *dy, act *dx) {
  EACH_ROW(r, (long)N * H) {
    // In 32 bits: there are fewer rows than that, and a long division takes a hundred instructions.
    long at = (long)((unsigned)r / H % T) * (D / 2);
    rotary_grad_row(D, y + r * D, rstd[r], cos + at, sin + at, dy + r * D, dx + r * D);
  }
}
