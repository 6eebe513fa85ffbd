// Adds the products of two tiles in workgroup memory to 4 x 4 sums (matmul.wgsl). Four neighboring invocations work on the same
// rows: each reads one of four steps of the left tile and the others get it by a quad broadcast, which leaves a quarter of the
// reads. Needs quads of consecutive invocations (webgpu/matmulVariant.ts checks that).

fn add_step(sums: ptr<function, array<vec4f, 4>>, left: vec4f, right: vec4f) {
  (*sums)[0] += left.x * right;
  (*sums)[1] += left.y * right;
  (*sums)[2] += left.z * right;
  (*sums)[3] += left.w * right;
}

fn add_tile_products(sums: ptr<function, array<vec4f, 4>>, row: u32, column: u32, lane: u32) {
  for (var k = 0u; k < DEPTH; k += 4u) {
    let own = a_tile[(k + lane % 4u) * 16u + row];
    add_step(sums, quadBroadcast(own, 0u), b_tile[k * 16u + column]);
    add_step(sums, quadBroadcast(own, 1u), b_tile[(k + 1u) * 16u + column]);
    add_step(sums, quadBroadcast(own, 2u), b_tile[(k + 2u) * 16u + column]);
    add_step(sums, quadBroadcast(own, 3u), b_tile[(k + 3u) * 16u + column]);
  }
}
