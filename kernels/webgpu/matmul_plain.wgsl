// Adds the products of two tiles in workgroup memory to 4 x 4 sums (matmul.wgsl).

fn add_tile_products(sums: ptr<function, array<vec4f, 4>>, row: u32, column: u32, lane: u32) {
  for (var k = 0u; k < DEPTH; k++) {
    let left = a_tile[k * 16u + row];
    let right = b_tile[k * 16u + column];
    (*sums)[0] += left.x * right;
    (*sums)[1] += left.y * right;
    (*sums)[2] += left.z * right;
    (*sums)[3] += left.w * right;
  }
}
