// Rotary embedding followed by the norm of each head, and the gradient (src/ops/rotary.ts). One workgroup per row and head;
// an invocation rotates pairs (i, i + half).

struct Params {
  rows: u32, // N * H
  heads: u32,
  seq: u32,
  half: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [N, H * D]; in the gradient: y
@group(0) @binding(2) var<storage, read> cosines: array<f32>; // [T, D / 2]
@group(0) @binding(3) var<storage, read> sines: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>; // in the gradient: dx
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>; // [N * H]
@group(0) @binding(5) var<storage, read> rstd_in: array<f32>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn rotary_qk_norm(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let base = row * 2u * params.half;
  let table = (row / params.heads % params.seq) * params.half;
  var sum = 0.0;
  for (var i = lane; i < params.half; i += WORKGROUP) {
    let pair = rotated(base + i, table + i);
    sum += dot(pair, pair);
  }
  let scale = inverseSqrt(workgroup_sum(sum, lane) / f32(2u * params.half) + params.epsilon);
  for (var i = lane; i < params.half; i += WORKGROUP) {
    let pair = scale * rotated(base + i, table + i);
    y[base + i] = pair.x;
    y[base + i + params.half] = pair.y;
  }
  if (lane == 0u) {
    rstd[row] = scale;
  }
}

fn rotated(at: u32, angle: u32) -> vec2f {
  let a = x[at];
  let b = x[at + params.half];
  let c = cosines[angle];
  let s = sines[angle];
  return vec2f(a * c + b * s, b * c - a * s);
}

@compute @workgroup_size(WORKGROUP)
fn rotary_qk_norm_grad(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let base = row * 2u * params.half;
  let table = (row / params.heads % params.seq) * params.half;
  var sum = 0.0;
  for (var i = lane; i < 2u * params.half; i += WORKGROUP) {
    sum += x[base + i] * dy[base + i];
  }
  let mean = workgroup_sum(sum, lane) / f32(2u * params.half);
  let scale = rstd_in[row];
  for (var i = lane; i < params.half; i += WORKGROUP) {
    let first = base + i;
    let second = first + params.half;
    let a = scale * (dy[first] - x[first] * mean);
    let b = scale * (dy[second] - x[second] * mean);
    let c = cosines[table + i];
    let s = sines[table + i];
    y[first] = a * c - b * s;
    y[second] = a * s + b * c;
  }
}
