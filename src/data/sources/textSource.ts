// Documents of a .txt file.
//   With <|endoftext|> anywhere in the file: a document is the text between two of them (or between one and the start or end of the file).
//   Without: a document is a paragraph, that is a run of lines up to a blank one (empty or only whitespace); a paragraph of
//   more than 1,000 characters is cut into documents at line ends; where a line is longer, at spaces, else anywhere.
//   (Packing crops what exceeds a row of tokens, so a book without marks must not be one document.)
// Leading and trailing whitespace is stripped, and documents that are only whitespace are dropped.

import { UsageError } from '../../base/errors.js';
import { once } from '../../base/once.js';
import { type DocumentFile, sequentialFile } from './documentFile.js';
import { MOST_CHARACTERS, type ReadOptions, readText } from './readText.js';

/** The mark between documents that the TinyStories and OpenWebText files use. */
const END_OF_TEXT = '<|endoftext|>';

/** The longest document of a file without marks, in UTF-16 units. */
export const PARAGRAPH_CHARACTERS = 1000;

/**
 * Opens a .txt file; memory is bounded by its longest document.
 * @throws UsageError (from its methods) for a missing file, text that is neither UTF-8 nor UTF-16, or a document of more
 * than 2^28 characters
 */
export function textFile(path: string, options: ReadOptions = {}): DocumentFile {
  const marked = once(() => hasMark(path, options));
  async function* read(): AsyncGenerator<string[]> {
    const split = (await marked()) ? splitAtMarks : splitParagraphs;
    for await (const batch of split(readText(path, options), path)) {
      const documents = batch.map((text) => text.trim()).filter(Boolean);
      if (documents.length > 0) yield documents;
    }
  }
  const rule = async () => ((await marked()) ? `split at ${END_OF_TEXT}` : 'split at blank lines');
  return sequentialFile(path, rule, read, (document) => document);
}

async function hasMark(path: string, options: ReadOptions): Promise<boolean> {
  let tail = '';
  for await (const piece of readText(path, options)) {
    const text = tail + piece;
    if (text.includes(END_OF_TEXT)) return true;
    tail = text.slice(Math.max(0, text.length - END_OF_TEXT.length + 1));
  }
  return false;
}

async function* splitAtMarks(texts: AsyncIterable<string>, path: string): AsyncGenerator<string[]> {
  const begun: string[] = []; // pieces of a document that has not ended
  let length = 0;
  let tail = ''; // the last characters, which may begin a mark
  for await (const text of texts) {
    const pieces = (tail + text).split(END_OF_TEXT);
    const last = pieces.pop()!;
    if (pieces.length > 0) {
      pieces[0] = begun.join('') + pieces[0];
      begun.length = length = 0;
      yield pieces;
    }
    const kept = Math.max(0, last.length - END_OF_TEXT.length + 1);
    begun.push(last.slice(0, kept));
    tail = last.slice(kept);
    length += kept;
    if (length > MOST_CHARACTERS)
      throw new UsageError(
        `Expected documents of at most ${MOST_CHARACTERS} characters in ${path}, got a longer one; ` +
          `put ${END_OF_TEXT} between documents`,
      );
  }
  yield [begun.join('') + tail];
}

async function* splitParagraphs(texts: AsyncIterable<string>): AsyncGenerator<string[]> {
  let rest = ''; // of a paragraph that has not ended
  let cut = false; // rest begins where a long paragraph was cut, so its first line is no blank line
  for await (const text of texts) {
    rest += text;
    const documents: string[] = [];
    let start = 0;
    let line = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', line)) {
      if (!cut && rest.slice(line, end).trim() === '') {
        cutParagraph(rest.slice(start, line), documents);
        start = end + 1;
      }
      cut = false;
      line = end + 1;
    }
    rest = rest.slice(start);
    if (rest.length > PARAGRAPH_CHARACTERS) {
      cutParagraph(rest, documents);
      rest = documents.pop()!;
      cut = true;
    }
    yield documents;
  }
  const documents: string[] = [];
  cutParagraph(rest, documents);
  yield documents;
}

/** Adds a paragraph to `documents`, in pieces of at most PARAGRAPH_CHARACTERS. */
function cutParagraph(paragraph: string, documents: string[]): void {
  let start = 0;
  while (paragraph.length - start > PARAGRAPH_CHARACTERS) {
    // The search stays in this window: a paragraph may be megabytes.
    const window = paragraph.slice(start, start + PARAGRAPH_CHARACTERS + 1);
    let length = window.lastIndexOf('\n');
    if (length <= 0) length = window.lastIndexOf(' ');
    if (length <= 0)
      length = PARAGRAPH_CHARACTERS - (isLowSurrogate(window.charCodeAt(PARAGRAPH_CHARACTERS)) ? 1 : 0);
    documents.push(paragraph.slice(start, start + length));
    start += length;
  }
  documents.push(paragraph.slice(start));
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code < 0xe000;
}
