// Cross-entropy under the soft cap for a chunk of rows of logits (rows/cross_entropy.h), which the gradient
// overwrites. Targets of -1 are ignored; one outside [-1, V) makes the loss NaN.
#include "cross_entropy.h"

// One block: weight[0] is the factor of each token's loss, 1 / number of targets that are not -1 (of 1 without any).
KERNEL mean_weight(int N, const int *targets, float *weight) {
  int counted = 0;
  for (int n = threadIdx.x; n < N; n += TEAM) counted += targets[n] >= 0;
  counted = over_team<Plus>(counted);
  if (threadIdx.x == 0) weight[0] = 1 / (float)(counted > 1 ? counted : 1);
}

// A team a row. z [rows,V], logits before the cap; with `grad` they become the gradient of the sum of weight[0] times the
// losses (1 where weight is null). losses [rows], not weighted.
KERNEL cross_entropy(int rows, int V, float cap, int grad, const float *weight, const int *targets,
                                         act *z, float *losses) {
  float share = grad ? weight ? weight[0] : 1 : 0;
  EACH_ROW(n, rows) {
    int target = targets[n];
    bool known = target < V;
    float loss = cross_entropy_row(V, cap, share, known ? target : 0, z + n * V);
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
