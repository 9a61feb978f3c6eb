"""Draws a terminal screen captured with `tmux capture-pane -p -e` as an SVG picture.

python3 ansi_to_svg.py CAPTURE.txt… > PICTURE.svg     several captures are stacked, as steps of one run
"""
import html
import re
import sys
import unicodedata

WIDTH, HEIGHT, FONT = 8.4, 18, 14
BACKGROUND, FOREGROUND = '#16181d', '#d5d8de'
BASIC = ['#3b4048', '#e06c75', '#98c379', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', '#d5d8de']
BRIGHT = ['#6b7280', '#ff8f98', '#b5e890', '#ffd98f', '#8fc8ff', '#e5a3ff', '#7fdce6', '#ffffff']


def colour256(n):
    if n < 8: return BASIC[n]
    if n < 16: return BRIGHT[n - 8]
    if n < 232:
        n -= 16
        level = lambda v: 0 if v == 0 else 55 + 40 * v
        return '#%02x%02x%02x' % (level(n // 36), level(n // 6 % 6), level(n % 6))
    grey = 8 + 10 * (n - 232)
    return '#%02x%02x%02x' % (grey, grey, grey)


def apply(style, codes):
    codes = [int(c or 0) for c in codes]
    while codes:
        c = codes.pop(0)
        if c == 0: style = {}
        elif c in (1, 2, 3, 4, 7, 9): style = style | {c: True}
        elif c == 22: style = {k: v for k, v in style.items() if k not in (1, 2)}
        elif c in (23, 24, 27, 29): style = {k: v for k, v in style.items() if k != c - 20}
        elif c in (38, 48):
            kind = codes.pop(0)
            value = colour256(codes.pop(0)) if kind == 5 else '#%02x%02x%02x' % (codes.pop(0), codes.pop(0), codes.pop(0))
            style = style | {'fg' if c == 38 else 'bg': value}
        elif c in (39, 49): style = {k: v for k, v in style.items() if k != ('fg' if c == 39 else 'bg')}
        elif 30 <= c < 38: style = style | {'fg': BASIC[c - 30]}
        elif 40 <= c < 48: style = style | {'bg': BASIC[c - 40]}
        elif 90 <= c < 98: style = style | {'fg': BRIGHT[c - 90]}
        elif 100 <= c < 108: style = style | {'bg': BRIGHT[c - 100]}
    return style


def draw(line, y, style, out):
    x = 0
    for piece in re.split(r'(\x1b\[[0-9;:]*m)', line):
        if piece.startswith('\x1b['):
            style = apply(style, re.split('[;:]', piece[2:-1]))
            continue
        piece = re.sub(r'\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.', '', piece)
        if not piece: continue
        columns = sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in piece)
        fg, bg = style.get('fg', FOREGROUND), style.get('bg')
        if style.get(7): fg, bg = bg or BACKGROUND, fg
        if bg: out.append(f'<rect x="{x * WIDTH:.1f}" y="{y - 14}" width="{columns * WIDTH:.1f}" height="{HEIGHT}" fill="{bg}"/>')
        extra = (' font-weight="bold"' if style.get(1) else '') + (' opacity="0.55"' if style.get(2) else '') + (' text-decoration="underline"' if style.get(4) else '')
        if piece.strip():
            out.append(f'<text x="{x * WIDTH:.1f}" y="{y}" fill="{fg}" textLength="{columns * WIDTH:.1f}" xml:space="preserve"{extra}>{html.escape(piece)}</text>')
        x += columns
    return style, x


screens = []
for path in sys.argv[1:]:
    lines = open(path, encoding='utf-8').read().rstrip('\n').split('\n')
    while lines and not re.sub(r'\x1b\[[0-9;:]*m', '', lines[-1]).strip(): lines.pop()
    screens.append(lines)
out, y, widest, style = [], 26, 0, {}
for number, lines in enumerate(screens):
    if number:
        out.append(f'<line x1="0" x2="100%" y1="{y - 12}" y2="{y - 12}" stroke="#2a2e37"/>')
        y += 12
    for line in lines:
        style, columns = draw(line, y, style, out)
        widest, y = max(widest, columns), y + HEIGHT
width, height = widest * WIDTH + 32, y + 2
print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="-16 0 {width:.0f} {height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="{FONT}">')
print(f'<rect x="-16" width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>')
print('\n'.join(out))
print('</svg>')
