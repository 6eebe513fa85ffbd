// A graph of TensorFlow's in the form in which the addon loads one: a SavedModel without variables. Fields and their
// numbers are those of tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape}.proto and
// core/protobuf/{saved_model,meta_graph}.proto.

import { Message } from '../../../base/protobuf.js';

/** The tag that the graph is saved under. */
export const TAG = 'tinygpt';

/** The version of graphs that TensorFlow 2.9 writes; newer ones read it. */
const PRODUCER = 1087;

/** An attribute of an operation, an AttrValue. */
export const attribute = {
  text: (value: string) => new Message().text(2, value),
  int: (value: number) => new Message().int(3, value),
  float: (value: number) => new Message().float(4, value),
  flag: (value: boolean) => new Message().int(5, value),
  type: (value: number) => new Message().int(6, value),
  shape: (value: readonly number[]) => new Message().message(7, shapeOf(value)),
  ints: listAttribute<number>((list, value) => list.int(3, value)),
  floats: listAttribute<number>((list, value) => list.float(4, value)),
  flags: listAttribute<boolean>((list, value) => list.int(5, value)),
  /** A tensor's type, shape and elements in the machine's order of bytes. */
  tensor: (dtype: number, shape: readonly number[], values: ArrayBufferView) =>
    new Message().message(
      8,
      new Message()
        .int(1, dtype)
        .message(2, shapeOf(shape))
        .bytes(4, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
    ),
};

function listAttribute<T>(put: (list: Message, value: T) => void) {
  return (values: readonly T[]) => new Message().message(1, list(values, put));
}

function list<T>(values: readonly T[], put: (list: Message, value: T) => void): Message {
  const made = new Message();
  for (const value of values) put(made, value);
  return made;
}

function shapeOf(sizes: readonly number[]): Message {
  return list(sizes, (shape, size) => shape.message(2, new Message().int(1, size)));
}

/** Nodes, each after those that it reads. */
export class Graph {
  readonly #nodes = new Message();

  /** @param inputs `name`, or `name:1` for a node's second output and so on */
  node(name: string, op: string, inputs: readonly string[], attributes: readonly [string, Message][]): void {
    const node = new Message().text(1, name).text(2, op);
    for (const input of inputs) node.text(3, input);
    for (const [key, value] of attributes) node.message(5, new Message().text(1, key).message(2, value));
    this.#nodes.message(1, node);
  }

  /** A node that a run is given. */
  placeholder(name: string, dtype: number, shape: readonly number[]): void {
    const attributes = { dtype: attribute.type(dtype), shape: attribute.shape(shape) };
    this.node(name, 'Placeholder', [], Object.entries(attributes));
  }

  constant(name: string, dtype: number, shape: readonly number[], values: ArrayBufferView): void {
    const attributes = { dtype: attribute.type(dtype), value: attribute.tensor(dtype, shape, values) };
    this.node(name, 'Const', [], Object.entries(attributes));
  }

  /** The contents of `saved_model.pb`. */
  savedModel(): Uint8Array {
    this.#nodes.message(4, new Message().int(1, PRODUCER));
    const meta = new Message().message(1, new Message().text(4, TAG)).message(2, this.#nodes);
    return new Message().int(1, 1).message(2, meta).encode();
  }
}
