// Sums and maxima over a workgroup of WORKGROUP invocations (a power of two); every invocation gets the result.
// Put in front of the kernels that use it. Called in uniform control flow only.

var<workgroup> reduction: array<f32, WORKGROUP>;

fn workgroup_sum(value: f32, lane: u32) -> f32 {
  reduction[lane] = value;
  for (var stride = WORKGROUP / 2u; stride > 0u; stride >>= 1u) {
    workgroupBarrier();
    if (lane < stride) {
      reduction[lane] += reduction[lane + stride];
    }
  }
  return workgroupUniformLoad(&reduction[0]);
}

fn workgroup_max(value: f32, lane: u32) -> f32 {
  reduction[lane] = value;
  for (var stride = WORKGROUP / 2u; stride > 0u; stride >>= 1u) {
    workgroupBarrier();
    if (lane < stride) {
      reduction[lane] = max(reduction[lane], reduction[lane + stride]);
    }
  }
  return workgroupUniformLoad(&reduction[0]);
}
