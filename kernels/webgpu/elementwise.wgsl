// Elementwise kernels: squared ReLU, the residual mix, accumulation, embedding lookup (src/ops). One invocation per element.

struct Params {
  size: u32,
  width: u32, // embedding: W; residual mix: the layer
  factor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<i32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<storage, read_write> total: array<f32>; // result of kernels with one input
@group(0) @binding(4) var<storage, read> resid_lambdas: array<f32>;
@group(0) @binding(5) var<storage, read> x0_lambdas: array<f32>;

fn index_of(group: vec3u, groups: vec3u, lane: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

// y = max(x, 0)^2
@compute @workgroup_size(WORKGROUP)
fn relu_squared(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = index_of(group, groups, lane);
  if (i < params.size) {
    let x = a[i];
    // Written so that NaN stays NaN.
    total[i] = select(x * x, 0.0, x < 0.0);
  }
}

// dx = 2 sqrt(y) dy; a is y, b is dy
@compute @workgroup_size(WORKGROUP)
fn relu_squared_grad(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = index_of(group, groups, lane);
  if (i < params.size) {
    result[i] = 2.0 * sqrt(a[i]) * b[i];
  }
}

// y = residLambdas[layer] x + x0Lambdas[layer] x0; a is x, b is x0
@compute @workgroup_size(WORKGROUP)
fn residual_mix(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = index_of(group, groups, lane);
  if (i < params.size) {
    result[i] = resid_lambdas[params.width] * a[i] + x0_lambdas[params.width] * b[i];
  }
}

// total = (total + a) * factor
@compute @workgroup_size(WORKGROUP)
fn accumulate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = index_of(group, groups, lane);
  if (i < params.size) {
    total[i] = (total[i] + a[i]) * params.factor;
  }
}

// result[n, w] = a[ids[n], w]
@compute @workgroup_size(WORKGROUP)
fn embedding(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = index_of(group, groups, lane);
  if (i < params.size) {
    let row = u32(ids[i / params.width]);
    result[i] = a[row * params.width + i % params.width];
  }
}
