// RMS norm and its gradient, one workgroup per row (src/ops/norm.ts).

struct Params {
  rows: u32,
  width: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [rows, width]; in the gradient: y
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [rows, width]; in the gradient: dx
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>; // [rows]
@group(0) @binding(3) var<storage, read> rstd_in: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn rms_norm(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let base = row * params.width;
  var sum = 0.0;
  for (var i = lane; i < params.width; i += WORKGROUP) {
    let value = x[base + i];
    sum += value * value;
  }
  let scale = inverseSqrt(workgroup_sum(sum, lane) / f32(params.width) + params.epsilon);
  for (var i = lane; i < params.width; i += WORKGROUP) {
    y[base + i] = x[base + i] * scale;
  }
  if (lane == 0u) {
    rstd[row] = scale;
  }
}

// dx = rstd * (dy - y * mean(dy * y))
@compute @workgroup_size(WORKGROUP)
fn rms_norm_grad(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let base = row * params.width;
  var sum = 0.0;
  for (var i = lane; i < params.width; i += WORKGROUP) {
    sum += x[base + i] * dy[base + i];
  }
  let mean = workgroup_sum(sum, lane) / f32(params.width);
  let scale = rstd_in[row];
  for (var i = lane; i < params.width; i += WORKGROUP) {
    y[base + i] = scale * (dy[base + i] - x[base + i] * mean);
  }
}
