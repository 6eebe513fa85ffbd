// Checking values: types for values that have already been checked, integers, and objects from JSON.

import { UsageError } from './errors.js';

declare const valid: unique symbol;

/** A value that the function which makes it has checked; a plain T is not assignable to it. */
export type Valid<T> = T & { readonly [valid]: true };

/** Marks a value as checked: for the functions that check. */
export const asValid = <T>(value: T): Valid<T> => value as Valid<T>;

/** True for what JSON writes in braces. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** True for whole numbers from 0 on that a double holds exactly. */
export const isNatural = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

/** The same from 1 on. */
export const isCount = (value: unknown): value is number => isNatural(value) && value >= 1;

/** @throws UsageError naming the option, unless its value is an integer of at least `least` */
export function checkInteger(name: string, value: number, least: number): void {
  if (!(Number.isInteger(value) && value >= least))
    throw new UsageError(`Expected ${name} to be an integer >= ${least}, got ${value}`);
}
