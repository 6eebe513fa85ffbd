// The parts of a Muon step (src/optim/muon.ts) around Polar Express's products: Nesterov momentum, NorMuon's variance
// reduction (arXiv 2510.05491, algorithm 1), cautious weight decay (arXiv 2510.12402).
#pragma once
#include "rows.h"

// m <- m + (1 - mu)(g - m), u = g + mu (m - g); returns sum u^2.
ROW float momentum_row(long n, float mu, const float *g, float *m, float *u) {
  vf squares = vset(0);
  EACH(i, n, {
    vf grad = get(g, i), old = get(m, i), now = old + (1 - mu) * (grad - old), next = grad + mu * (now - grad);
    put(m, i, now);
    put(u, i, next);
    squares = squares + next * next;
  });
  return row_sum(squares);
}

// Polar Express starts from X of norm below 1: its factor, from sum u^2.
ROW float polar_scale(float squares) { return 1 / (sqrtf(squares) * 1.02f + 1e-6f); }

// The factor of a row or column whose second moment is this, before the norm is restored. Not-a-number passes: it is not
// below anything.
ROW float variance_scale(float second) { return 1 / sqrtf(second < 1e-10f ? 1e-10f : second); }

// What restores the norm: norm and scaled are the sums of mean and mean scale^2, size = min(R, S).
ROW float variance_ratio(double norm, double scaled, long size) {
  float before = sqrtf((float)(norm * (double)size)), after = sqrtf((float)(scaled * (double)size));
  return before / (after < 1e-10f ? 1e-10f : after);
}

// w <- w - (lr x + decay w where x w >= 0) for x = u factor; decay = lr weightDecay. The factor is the row's, or a column's
// each.
ROW void cautious_row(long n, float lr, float decay, float factor, const float *factors, const act *u, float_out w) {
  EACH(i, n, {
    vf x = get(u, i) * factor, old = get(w, i);
    if (factors) x = x * get(factors, i);
    put(w, i, old - (lr * x + vmask(x * old, decay * old)));
  });
}
