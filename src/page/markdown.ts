import MarkdownIt from 'markdown-it';

/** No HTML of a message is let through, and images are links: a page of ours never loads what a model names. */
const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true }).disable('image');
const usualLink = markdown.renderer.rules.link_open;

markdown.renderer.rules.link_open = (tokens, index, options, environment, self) => {
  const link = tokens[index];
  link?.attrSet('target', '_blank');
  link?.attrSet('rel', 'noopener noreferrer');
  return usualLink?.(tokens, index, options, environment, self) ?? self.renderToken(tokens, index, options);
};

/** Above this, text is shown as it is: parsing it anew with every delta would hold the page up. */
const mostChars = 200_000;

/** Shows Markdown in an element. Half of it, as it is while it is streamed, is fine. */
export function showMarkdown(element: HTMLElement, text: string): void {
  if (text.length > mostChars) element.textContent = text;
  // What markdown-it makes has no HTML but its own: every text is escaped, and only http, https and mailto are links.
  else element.innerHTML = markdown.render(text);
}
