/** The shell commands of the README's tour, block by block. @throws when the README has none */
export function tourBlocks(readme: string): string[] {
  const section = /^## A tour.*?\n(.*?)(?=^## )/ms.exec(readme)?.[1] ?? "";
  const blocks = [...section.matchAll(/^```sh\n(.*?)^```/gms)].map(([, text = ""]) => text);
  if (blocks.length === 0) throw new Error("The README has no tour.");
  return blocks;
}
