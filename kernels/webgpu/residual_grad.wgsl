// Gradient of the residual mix (src/ops/elementwise.ts): dx, dx0, and the two lambdas' gradients in two stages, each sum in an
// order that the sizes alone determine.

struct Params {
  size: u32,
  chunk: u32, // elements per workgroup of the first stage
  layer: u32,
  layers: u32,
  parts: u32, // workgroups of the first stage
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> x0: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> resid_lambdas: array<f32>;
@group(0) @binding(5) var<storage, read> x0_lambdas: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx0: array<f32>;
@group(0) @binding(8) var<storage, read_write> partial_sums: array<vec2f>; // [parts]

@group(0) @binding(1) var<storage, read> sums: array<vec2f>; // [parts]
@group(0) @binding(2) var<storage, read_write> d_resid: array<f32>; // [layers]
@group(0) @binding(3) var<storage, read_write> d_x0: array<f32>; // [layers]

@compute @workgroup_size(WORKGROUP)
fn residual_mix_grad(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let part = group.y * groups.x + group.x;
  if (part >= params.parts) {
    return;
  }
  let a = resid_lambdas[params.layer];
  let b = x0_lambdas[params.layer];
  let end = min(params.size, (part + 1u) * params.chunk);
  var along = vec2f(0.0);
  for (var i = part * params.chunk + lane; i < end; i += WORKGROUP) {
    let dy_i = dy[i];
    dx[i] = a * dy_i;
    dx0[i] = b * dy_i;
    along += dy_i * vec2f(x[i], x0[i]);
  }
  let first = workgroup_sum(along.x, lane);
  let second = workgroup_sum(along.y, lane);
  if (lane == 0u) {
    partial_sums[part] = vec2f(first, second);
  }
}

@compute @workgroup_size(WORKGROUP)
fn lambda_grads(@builtin(local_invocation_index) lane: u32) {
  var along = vec2f(0.0);
  for (var i = lane; i < params.parts; i += WORKGROUP) {
    along += sums[i];
  }
  let first = workgroup_sum(along.x, lane);
  let second = workgroup_sum(along.y, lane);
  for (var i = lane; i < params.layers; i += WORKGROUP) {
    d_resid[i] = select(0.0, first, i == params.layer);
    d_x0[i] = select(0.0, second, i == params.layer);
  }
}
