// Gated value embeddings and their gradient (src/ops/valueEmbedding.ts): gate[n, g] = 2 sigmoid(sum_k x[n, k] w[g, k]).
// One workgroup per token and kv head; the gate weight's gradient in two stages.

struct Params {
  rows: u32, // N
  width: u32, // C, columns of x
  kv_heads: u32, // G
  head_dim: u32, // D
  channels: u32, // K
  chunk: u32, // tokens per workgroup of the weight's gradient
  parts: u32, // workgroups of it
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> v: array<f32>; // [N, G * D]
@group(0) @binding(2) var<storage, read> ve: array<f32>; // [N, G * D]
@group(0) @binding(3) var<storage, read> x: array<f32>; // [N, C]
@group(0) @binding(4) var<storage, read> weight: array<f32>; // [G, K]
@group(0) @binding(5) var<storage, read_write> y: array<f32>; // [N, G * D]
@group(0) @binding(6) var<storage, read_write> gate: array<f32>; // [N, G]

@group(0) @binding(1) var<storage, read> dy: array<f32>; // [N, G * D]
@group(0) @binding(3) var<storage, read> gate_in: array<f32>; // [N, G]
@group(0) @binding(4) var<storage, read_write> dve: array<f32>; // [N, G * D]
@group(0) @binding(5) var<storage, read_write> dz: array<f32>; // [N, G]: gradient of the gate's argument

@group(0) @binding(1) var<storage, read> dz_in: array<f32>;
@group(0) @binding(2) var<storage, read> weight_in: array<f32>; // [G, K]
@group(0) @binding(3) var<storage, read_write> dx: array<f32>; // [N, C]
@group(0) @binding(2) var<storage, read> x_in: array<f32>; // [N, C]
@group(0) @binding(3) var<storage, read_write> partial_sums: array<f32>; // [parts, G * K]

@compute @workgroup_size(WORKGROUP)
fn gated_value_embedding(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = group.y * groups.x + group.x; // n * G + g
  if (at >= params.rows * params.kv_heads) {
    return;
  }
  let n = at / params.kv_heads;
  let g = at % params.kv_heads;
  var sum = 0.0;
  for (var k = lane; k < params.channels; k += WORKGROUP) {
    sum += x[n * params.width + k] * weight[g * params.channels + k];
  }
  let opened = 2.0 / (1.0 + exp(-workgroup_sum(sum, lane)));
  let base = at * params.head_dim;
  for (var d = lane; d < params.head_dim; d += WORKGROUP) {
    y[base + d] = v[base + d] + opened * ve[base + d];
  }
  if (lane == 0u) {
    gate[at] = opened;
  }
}

// dve = gate dy; dz = gate (1 - gate / 2) sum_d dy ve
@compute @workgroup_size(WORKGROUP)
fn gate_grad(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = group.y * groups.x + group.x;
  if (at >= params.rows * params.kv_heads) {
    return;
  }
  let opened = gate_in[at];
  let base = at * params.head_dim;
  var sum = 0.0;
  for (var d = lane; d < params.head_dim; d += WORKGROUP) {
    sum += dy[base + d] * ve[base + d];
    dve[base + d] = opened * dy[base + d];
  }
  let along = workgroup_sum(sum, lane);
  if (lane == 0u) {
    dz[at] = along * opened * (1.0 - 0.5 * opened);
  }
}

// dx[n, k] = sum_g dz[n, g] w[g, k] for k < K, 0 beyond
@compute @workgroup_size(WORKGROUP)
fn gate_input_grad(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + lane;
  if (i >= params.rows * params.width) {
    return;
  }
  let k = i % params.width;
  var sum = 0.0;
  if (k < params.channels) {
    let n = i / params.width;
    for (var g = 0u; g < params.kv_heads; g++) {
      sum += dz_in[n * params.kv_heads + g] * weight_in[g * params.channels + k];
    }
  }
  dx[i] = sum;
}

// partial_sums[part, g, k] = the part's share of sum_n dz[n, g] x[n, k]
@compute @workgroup_size(WORKGROUP)
fn gate_weight_grad(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let part = group.x;
  let size = params.kv_heads * params.channels;
  let end = min(params.rows, (part + 1u) * params.chunk);
  for (var i = lane; i < size; i += WORKGROUP) {
    let g = i / params.channels;
    let k = i % params.channels;
    var sum = 0.0;
    for (var n = part * params.chunk; n < end; n++) {
      sum += dz_in[n * params.kv_heads + g] * x_in[n * params.width + k];
    }
    partial_sums[part * size + i] = sum;
  }
}
