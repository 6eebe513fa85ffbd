// Cross-entropy under the soft cap for a chunk of rows of logits (rows/cross_entropy.h), which the gradient
// overwrites. Targets of -1 are ignored; one outside [-1, V) makes the loss NaN. With -DHELD rows of at most HELD * TEAM * VL
// logits are held in registers.
#include "cross_entropy.h"

// One block: weight[0] is the factor of each token's loss, 1 / number of targets that are not -1 (of 1 without any).
KERNEL mean_weight(int N, const int *targets, float *weight) {
  int counted = 0;
  for (int n = threadIdx.x; n < N; n += TEAM) counted += targets[n] >= 0;
  counted = over_team<Plus>(counted);
  if (threadIdx.x == 0) weight[0] = 1 / (float)(counted > 1 ? counted : 1);
}

#if HELD > 0
// cross_entropy_row for rows of at most HELD vectors a thread and caps of at most 30: the row is read once, and stays in registers
// until its sum is known.
static __device__ __forceinline__ float held_row(int V, float cap, float weight, int target, act *z) {
  int first = threadIdx.x % TEAM * VL;
  float inverse = 1 / cap, t = tanhf(number(z, target) * inverse);
  vf grads[HELD], sums = vset(0);
#pragma unroll
  for (int i = 0; i < HELD; i++) {
    int j = first + i * TEAM * VL;
    if (j >= V) continue;
    vf u = vtanh(get(z, j) * inverse), e = vexp(u * cap - cap);
    grads[i] = e * (1.0f - u * u);
    sums = sums + e;
  }
  float sum = row_sum(sums), loss = cap - cap * t + logf(sum);
  if (loss < NEARLY_CERTAIN) loss = nearly_certain_loss(V, cap, target, t, z, 0);
  // All have read the row.
  TEAM_SYNC();
  if (weight != 0) {
    float share = weight / sum;
#pragma unroll
    for (int i = 0; i < HELD; i++) {
      int j = first + i * TEAM * VL;
      if (j < V) put(z, j, grads[i] * share);
    }
    TEAM_SYNC();
    ONCE(set_number(z, target, (expf(t * cap - cap) * share - weight) * (1 - t * t)));
  }
  return loss;
}
#endif

// Rows that are not held take 64 registers, 1,024 threads a multiprocessor: ptxas of CUDA 13.5 would rather spill than
// take more than 40.
#if TEAM <= 32
#define BOUNDS 256
#elif HELD > 0
#define BOUNDS TEAM
#else
#define BOUNDS TEAM, 1024 / TEAM
#endif

// A team a row. z [rows,V], logits before the cap; with `grad` they become the gradient of the sum of weight[0] times the
// losses (1 where weight is null). losses [rows], not weighted.
extern "C" __global__ void __launch_bounds__(BOUNDS)
cross_entropy(int rows, int V, float cap, int grad, const float *weight, const int *targets, act *z, float *losses) {
  float share = grad ? weight ? weight[0] : 1 : 0;
  EACH_ROW(n, rows) {
    int target = targets[n];
    bool known = target < V;
    float loss;
#if HELD > 0
    if (cap <= 30 && target >= 0) loss = held_row(V, cap, share, known ? target : 0, z + (long)n * V);
    else
#endif
      loss = cross_entropy_row(V, cap, share, known ? target : 0, z + (long)n * V);
    ONCE(losses[n] = known ? loss : __int_as_float(0x7fffffff));
    // What this row's threads still read is not yet another row's.
    TEAM_SYNC();
  }
}

// One block: loss[0] = sum of the losses, times weight[0] where that is given.
KERNEL sum_losses(int N, const float *losses, const float *weight, float *loss) {
  double sum = 0;
  for (int n = threadIdx.x; n < N; n += TEAM) sum += (double)losses[n];
  sum = over_team<Plus>(sum);
  if (threadIdx.x == 0) loss[0] = (float)(weight ? sum * (double)weight[0] : sum);
}
