// The parts of a Muon step around the products of Polar Express (rows/muon.h), for K matrices [R,S] of one shape at once.
// In order: muon_momentum, muon_start, the products (cuBLASLt, batched over K: A = X X^T or X^T X, P = b A + c A A,
// X <- a X + P X or X P), muon_row_squares or muon_column_squares, muon_factors, muon_update. Settings are in device memory,
// so that a recorded graph of launches need not change with them. X is float32, or bfloat16 with -DACT_BF16.
#include "muon.h"

#define PIECE 4096

struct Matrix {
  float *param;
  const float *grad;
  // The copy of param in bfloat16 that products read, or null.
  bf16 *rounded;
};
struct Muon {
  // lr with the shape's factor, momentum, beta2, lr weightDecay
  float lr, mu, beta2, decay;
};

// Grid (pieces, K), a block a piece, n = R S: momentum and u [K,n]; squares [K,pieces], pieces = ceil(n / PIECE). VL must
// divide n.
KERNEL muon_momentum(long n, const Matrix *matrices, const Muon *settings, float *momentum,
                                         float *u, float *squares) {
  long from = (long)blockIdx.x * PIECE, count = n - from < PIECE ? n - from : PIECE, at = blockIdx.y * n + from;
  float sum = momentum_row(count, settings->mu, matrices[blockIdx.y].grad + from, momentum + at, u + at);
  ONCE(squares[blockIdx.y * gridDim.x + blockIdx.x] = sum);
}

// Grid (pieces, K): x = u scaled to a norm below 1.
KERNEL muon_start(long n, const float *squares, const float *u, act *x) {
  float sum = 0;
  for (int i = threadIdx.x; i < gridDim.x; i += TEAM) sum += squares[blockIdx.y * gridDim.x + i];
  float scale = polar_scale(over_team<Plus>(sum));
  long from = (long)blockIdx.x * PIECE, count = n - from < PIECE ? n - from : PIECE, at = blockIdx.y * n + from;
  EACH(i, count, put(x + at, i, get(u + at, i) * scale));
}

// A team a row of the K R, for R >= S: means [K,R], mean squares of the rows.
KERNEL muon_row_squares(int K, int R, int S, const act *x, float *means) {
  EACH_ROW(r, (long)K * R) {
    float sum = row_dot(x + r * S, x + r * S, S);
    ONCE(means[r] = sum / (float)S);
  }
}

// For R < S, a block 32 columns of a matrix, its warps sharing the rows: grid (ceil(S / 32), K), means [K,S].
extern "C" __global__ void __launch_bounds__(1024)
muon_column_squares(int R, int S, const act *x, float *means) {
  __shared__ float parts[32][32];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32, column = blockIdx.x * 32 + lane;
  float sum = 0;
  if (column < S)
    for (int r = warp; r < R; r += warps) {
      float u = number(x, ((long)blockIdx.y * R + r) * S + column);
      sum += u * u;
    }
  parts[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || column >= S) return;
  for (int i = 1; i < warps; i++) sum += parts[i][lane];
  means[(long)blockIdx.y * S + column] = sum / (float)R;
}

// A block a matrix, count = max(R, S) rows or columns, size = min(R, S): second [K,count] moves on, means become factors.
KERNEL muon_factors(int count, int size, const Muon *settings, float *means, float *second) {
  float *mean = means + (long)blockIdx.x * count, *moment = second + (long)blockIdx.x * count;
  double norm = 0, scaled = 0;
  for (int i = threadIdx.x; i < count; i += TEAM) {
    float own = mean[i], now = moment[i] + (1 - settings->beta2) * (own - moment[i]);
    float scale = variance_scale(now);
    moment[i] = now;
    mean[i] = scale;
    norm += (double)own;
    scaled += (double)own * (double)scale * (double)scale;
  }
  float ratio = variance_ratio(over_team<Plus>(norm), over_team<Plus>(scaled), size);
  for (int i = threadIdx.x; i < count; i += TEAM) mean[i] *= ratio;
}

// A team a row of the K R: w <- w - lr (u factor + weightDecay w where they agree); factors [K,R] or, R < S, [K,S].
KERNEL muon_update(int K, int R, int S, const Matrix *matrices, const Muon *settings, const act *x,
                                       const float *factors) {
  EACH_ROW(r, (long)K * R) {
    // In 32 bits, where a division is short.
    unsigned k = (unsigned)r / R;
    float_out w = {matrices[k].param, matrices[k].rounded};
    cautious_row(S, settings->lr, settings->decay, R >= S ? factors[r] : 1, R >= S ? 0 : factors + (long)k * S, x + r * S,
                 w + (r - (long)k * R) * S);
  }
}
