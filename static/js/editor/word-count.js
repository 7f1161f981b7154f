// The number of words of a text in Markdown, and the reading time. The server counts published posts by the same rules, in
// blog/text/word_count.py, which explains them: change both.

const WORDS_PER_MINUTE = 230;
const MARKUP =
  /^[ \t>]*(?:`{3,}|~{3,})[^\n]*$|<!--[\s\S]*?(?:-->|$(?![\s\S]))|<\/?[A-Za-z][^<>]*>|\$\$(?:[^$\n]|\n(?!\n))*\$\$|(?<![A-Za-z0-9$\\])\$(?![ \t\n$])(?:[^$`\n]|\n(?!\n))*(?<![ \t\n])\$(?![A-Za-z0-9$])|\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\[\^[^\[\] \t\n]*\]:?|[ \t]\{#[^{} \t\n]*\}[ \t]*$|^ {0,3}\*?\[[^\[\]\n]+\]:[^\n]*$/gm;
const UNSPACED_SCRIPTS = [
  [2, /[\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\u{20000}-\u{3ffff}]/gu],
  [5, /[\u0e01-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u1049\u1050-\u109f\u1780-\u17d3\ua9e0-\ua9fe\uaa60-\uaa7f]/gu],
];
const SEPARATOR = /[\t-\r \u0085\u00a0\u1680\u2000-\u200b\u2013\u2014\u2026\u2028\u2029\u202f\u205f\u3000\ufeff|]+/u;
const LETTER = /[\p{L}\p{N}]/u;

export function countWords(markdown) {
  let text = markdown.replace(MARKUP, " ");
  let count = 0;
  for (const [perWord, characters] of UNSPACED_SCRIPTS) {
    let found = 0;
    text = text.replace(characters, () => (found++, " "));
    count += Math.ceil(found / perWord);
  }
  return count + text.split(SEPARATOR).filter((word) => LETTER.test(word)).length;
}

export function readingMinutes(words) {
  return Math.max(1, Math.round(words / WORDS_PER_MINUTE));
}
