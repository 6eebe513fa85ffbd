// Softcap and cross-entropy on a chunk of logits (src/ops/lmHead.ts), one workgroup per token. z = x w^T comes in `logits`;
// with WITH_GRAD it is replaced by dz, the gradient of the weighted loss.
// A target outside [0, V) other than -1 gives NaN.

struct Params {
  rows: u32, // of the chunk
  vocab: u32,
  first: u32, // token of the chunk's first row
  tokens: u32, // N
  mean: u32, // 1: divide by the number of targets that count
  softcap: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>; // [rows, V]
@group(0) @binding(2) var<storage, read> targets: array<i32>; // [N]
@group(0) @binding(3) var<storage, read_write> losses: array<f32>; // [N]
@group(0) @binding(4) var<storage, read> weight: array<f32>; // [1]: 1 or 1 / the number of targets

@group(0) @binding(1) var<storage, read> targets_in: array<i32>;
@group(0) @binding(2) var<storage, read_write> weight_out: array<f32>;
@group(0) @binding(1) var<storage, read> losses_in: array<f32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>; // [1]

fn capped(z: f32) -> f32 {
  return params.softcap * accurate_tanh(z / params.softcap);
}

// log(1 + x) for x >= 0, small x in particular: 2 atanh(x / (2 + x)) by its series.
fn log_one_plus(x: f32) -> f32 {
  let s = x / (2.0 + x);
  let q = s * s;
  return select(2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0)))), log(1.0 + x), x > 0.1);
}

@compute @workgroup_size(WORKGROUP)
fn cross_entropy(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let base = row * params.vocab;
  let target_id = targets[params.first + row];
  let ignored = target_id == -1;
  var high = -3.4e38;
  var broken = 0.0; // 1 where a logit is NaN, seen by its bits, as compilers may assume that there is none
  for (var i = lane; i < params.vocab; i += WORKGROUP) {
    let z = logits[base + i];
    high = max(high, capped(z));
    broken += select(0.0, 1.0, (bitcast<u32>(z) & 0x7fffffffu) > 0x7f800000u);
  }
  let top = workgroup_max(high, lane);
  let invalid = workgroup_sum(broken, lane) > 0.0;
  let nan = bitcast<f32>(0x7fc00000u + params.mean);
  var sum = 0.0;
  for (var i = lane; i < params.vocab; i += WORKGROUP) {
    sum += exp(capped(logits[base + i]) - top);
  }
  let total = workgroup_sum(sum, lane);
  let inside = u32(target_id) < params.vocab;
  let z_target = capped(logits[base + select(0u, u32(target_id), inside)]);
  // Both terms are at least 0.
  var value = (top - z_target) + log(max(total, 1.0));
  // For a target that is nearly certain the sum above is all rounding error; the share of the other ids is exact.
  if (workgroup_max(select(0.0, 1.0, inside && value < 0.01), lane) > 0.0) {
    var others = 0.0;
    for (var i = lane; i < params.vocab; i += WORKGROUP) {
      if (i32(i) != target_id) {
        others += exp(capped(logits[base + i]) - z_target);
      }
    }
    value = log_one_plus(workgroup_sum(others, lane));
  }
  if (lane == 0u) {
    value *= weight[0];
    if (ignored) {
      value = 0.0;
    } else if (!inside || invalid) {
      value = nan;
    }
    losses[params.first + row] = value;
  }
  if (WITH_GRAD) {
    // The loss has read this row's logits; they are overwritten from here on.
    workgroupBarrier();
    let scale = select(weight[0], 0.0, ignored);
    for (var i = lane; i < params.vocab; i += WORKGROUP) {
      let z = capped(logits[base + i]);
      let ratio = z / params.softcap;
      let p = exp(z - top) / total;
      let onehot = select(0.0, 1.0, i32(i) == target_id);
      let dz = scale * (p - onehot) * (1.0 - ratio * ratio);
      logits[base + i] = select(dz, nan, invalid && !ignored);
    }
  }
}

// weight = 1 / max(1, the number of targets that count), or 1
@compute @workgroup_size(WORKGROUP)
fn loss_weight(@builtin(local_invocation_index) lane: u32) {
  var counted = 0.0;
  for (var n = lane; n < params.tokens; n += WORKGROUP) {
    counted += select(1.0, 0.0, targets_in[n] == -1);
  }
  let total = workgroup_sum(counted, lane);
  if (lane == 0u) {
    weight_out[0] = select(1.0, 1.0 / max(1.0, total), params.mean == 1u);
  }
}

@compute @workgroup_size(WORKGROUP)
fn loss_sum(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var n = lane; n < params.tokens; n += WORKGROUP) {
    sum += losses_in[n];
  }
  let total = workgroup_sum(sum, lane);
  if (lane == 0u) {
    loss[0] = total;
  }
}
