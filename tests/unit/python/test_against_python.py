"""The evaluator against Python itself: what a program notes is what CPython makes of the same text.

Every text is run for real in a child process, and by the evaluator. What the evaluator says must be
what Python says; "?" marks the values that it is right not to know.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployguard.python import Instance, Items, Known, Mapped, Value
from tests.unit.python.test_evaluation import evaluate

VARIABLES = {"STAGE": "dev", "PORT": "5001", "FLAG": "true", "EMPTY": "", "LIST": "a,b,,c",
             "HOME": "/srv/home"}  # fmt: skip
FILES = {
    "settings.json": '{"debug": true, "host": "0.0.0.0", "nested": {"a": [1, 2]}, "port": 80}',
    "settings.ini": "[DEFAULT]\nroot = /srv\n[web]\ndebug = yes\nport = 81\npath = %(root)s/x\n"
    "[empty]\n",
    "other.cfg": "[web]\nport = 82\n",
    "settings.toml": 'title = "x"\n[web]\ndebug = false\nports = [1, 2]\n',
    "rows.csv": "name,value\ndebug,1\nhost,x\n",
    "lines.txt": "FLAG=1\nHOST = x\n# comment\n",
    "conf.py": "DEBUG = True\nNAME = __name__\n",
    "pkg/__init__.py": "from .inner import VALUE\n",
    "pkg/inner.py": "VALUE = 3\nfrom . import other\n",
    "pkg/other.py": "HERE = __package__\n",
    "broken.py": "raise ImportError('no')\n",
    "space/part.py": "X = 7\n",
}

TEXTS: dict[str, list[str]] = {
    "argparse": [
        "p.add_argument('--debug', action='store_true'); a = p.parse_args(['--debug']); note(a.debug)",
        "p.add_argument('--debug', action='store_true'); note(p.parse_args(['--deb']).debug)",
        "p.add_argument('--no-debug', dest='debug', action='store_false'); note(p.parse_args([]).debug)",
        "p.add_argument('-p', '--port', type=int, default=5000); note(p.parse_args(['-p80']).port)",
        "p.add_argument('-p', '--port', type=int, default='7'); note(p.parse_args([]).port)",
        "p.add_argument('--port', type=int); note(p.parse_args(['--port=81']).port)",
        "p.add_argument('--port', type=int); note(p.parse_args(['--port', 'x']).port)",
        "p.add_argument('-v', action='count', default=0); note(p.parse_args(['-vv', '-v']).v)",
        "p.add_argument('--mode', choices=['a', 'b'], default='a'); note(p.parse_args(['--mode', 'b']).mode)",
        "p.add_argument('--mode', choices=['a', 'b']); note(p.parse_args(['--mode', 'c']).mode)",
        "p.add_argument('--x', action='store_const', const=5, default=2); note(p.parse_args(['--x']).x)",
        "p.add_argument('--tag', action='append'); note(p.parse_args(['--tag', 'a', '--tag', 'b']).tag)",
        "p.add_argument('--debug', action=argparse.BooleanOptionalAction, default=True); "
        "note(p.parse_args(['--no-debug']).debug)",
        "p.add_argument('--debug', nargs='?', const=True, default=False); note(p.parse_args(['--debug']).debug)",
        "p.add_argument('names', nargs='*'); note(p.parse_args(['x', 'y']).names)",
        "p.add_argument('name'); note(p.parse_args([]).name)",
        "p.add_argument('--a', required=True); p.parse_args([]); note(1)",
        "p.add_argument('--debug', type=lambda v: v.lower() in ('1', 'true')); "
        "note(p.parse_args(['--debug', 'TRUE']).debug)",
        "p.add_argument('--debug', type=bool, default=False); note(p.parse_args(['--debug', 'False']).debug)",
        "def b(v):\n  if v == 'on': return True\n  raise argparse.ArgumentTypeError('no')\n"
        "p.add_argument('-d', type=b); note(p.parse_args(['-d', 'on']).d); p.parse_args(['-d', 'x']); note(2)",
        "s = p.add_subparsers(dest='cmd'); r = s.add_parser('run'); r.add_argument('--debug', action='store_true')\n"
        "a = p.parse_args(['run', '--debug']); note(a.cmd); note(a.debug)",
        "s = p.add_subparsers(); r = s.add_parser('run'); r.set_defaults(func=lambda a: note('ran'))\n"
        "a = p.parse_args(['run']); a.func(a)",
        "s = p.add_subparsers(required=True, dest='c'); s.add_parser('x'); p.parse_args([]); note(1)",
        "base = argparse.ArgumentParser(add_help=False); base.add_argument('--k', default='v')\n"
        "q = argparse.ArgumentParser(parents=[base]); note(q.parse_args([]).k)",
        "g = p.add_argument_group('g'); g.add_argument('--k', type=int, default=1); note(p.parse_args([]).k)",
        "g = p.add_mutually_exclusive_group(); g.add_argument('--a', action='store_true'); "
        "g.add_argument('--b', action='store_true'); note(p.parse_args(['--b']).b); p.parse_args(['--a', '--b']); note(3)",
        "p.add_argument('--x'); a, rest = p.parse_known_args(['--x', '1', '--y', '2']); note(a.x); note(rest)",
        "p.add_argument('--x', default=1); note(vars(p.parse_args([])))",
        "p.set_defaults(debug=True); note(p.parse_args([]).debug)",
        "p.add_argument('--host', default=os.environ.get('STAGE')); note(p.parse_args([]).host)",
        "p.add_argument('--a'); note(getattr(p.parse_args([]), 'b', 4))",
        "p.parse_args(['--help']); note(1)",
        "try:\n  p.parse_args(['--what'])\nexcept SystemExit:\n  note('caught')",
        "n = argparse.Namespace(a=1); p.add_argument('--b', default=2); note(n.a); note('a' in n)",
        "p.add_argument('--config', type=json.loads, default='{}'); note(p.parse_args(['--config', '{\"a\": 1}']).config)",
        "p.add_argument('-d', '--debug-mode', action='store_true'); note(p.parse_args(['-d']).debug_mode)",
    ],
    "other options": [
        "from optparse import OptionParser\np = OptionParser(); p.add_option('-d', '--debug', action='store_true', default=False)\n"
        "o, a = p.parse_args(['-d', 'x']); note(o.debug); note(a)",
        "from optparse import OptionParser\np = OptionParser(); p.add_option('-p', '--port', type='int', dest='n', default=1)\n"
        "note(p.parse_args(['--port=5'])[0].n); note(p.parse_args([])[0].n)",
        "import getopt\no, r = getopt.getopt(['-d', '--host', 'h', 'z'], 'dp:', ['host=']); note(o); note(r)\n"
        "for k, v in o:\n  if k == '--host': note(v)",
        "import getopt\ntry:\n  getopt.getopt(['-x'], 'd')\nexcept getopt.GetoptError:\n  note('no')",
    ],
    "data": [
        "note(json.load(open('settings.json')))",
        "with open('settings.json') as f: c = json.load(f)\nnote(c['debug']); note(c['nested']['a'][1])",
        "from pathlib import Path\nnote(json.loads(Path('settings.json').read_text())['port'])",
        "from pathlib import Path\nnote(json.loads((Path(__file__).parent / 'settings.json').read_text()).get('nope', 3))",
        "note(json.loads(os.environ['FLAG']))",
        "try:\n  json.loads('{')\nexcept json.JSONDecodeError:\n  note('bad')",
        "try:\n  json.loads('{')\nexcept ValueError:\n  note('bad')",
        "try:\n  open('nope.json')\nexcept FileNotFoundError:\n  note('absent')",
        "try:\n  open('nope.json')\nexcept OSError as e:\n  note('absent')",
        "import ast; note(ast.literal_eval('True')); note(ast.literal_eval(\"{'a': [1, (2,)]}\"))",
        "import ast\ntry:\n  ast.literal_eval('yes')\nexcept (ValueError, SyntaxError):\n  note('bad')",
        "import tomllib\nwith open('settings.toml', 'rb') as f: note(tomllib.load(f)['web']['debug'])",
        "import configparser\nc = configparser.ConfigParser(); note(c.read(['nope.ini', 'settings.ini', 'other.cfg']))\n"
        "note(c.get('web', 'port')); note(c.getint('web', 'port')); note(c['web']['path']); note(c['web'].getboolean('debug'))",
        "import configparser\nc = configparser.ConfigParser(); c.read('settings.ini'); note(c.sections()); "
        "note(c.has_option('web', 'x')); note(c.get('web', 'x', fallback='f')); note(c.getboolean('x', 'y', fallback=False))",
        "import configparser\nc = configparser.ConfigParser(); c.read('settings.ini')\ntry:\n  c.get('web', 'x')\n"
        "except configparser.NoOptionError:\n  note('no option')\ntry:\n  c['nope']\nexcept KeyError:\n  note('no section')",
        "import configparser\nc = configparser.ConfigParser(); c.read_string('[a]\\nb = on\\n'); note(dict(c['a'])); "
        "note('a' in c); note('b' in c['a']); note(dict(c.items('a')))",
        "import configparser\nc = configparser.ConfigParser(); c.read_dict({'a': {'b': '1'}}); c.set('a', 'b', '2'); note(c.getint('a', 'b'))",
        "import configparser\nc = configparser.RawConfigParser(allow_no_value=True); c.read('settings.ini'); note(c.get('web', 'path'))",
        "import configparser\nc = configparser.ConfigParser(interpolation=configparser.ExtendedInterpolation())\n"
        "c.read_string('[a]\\nx = 1\\ny = ${x}2\\n'); note(c['a']['y'])",
        "import csv\nnote([r for r in csv.DictReader(open('rows.csv'))][0]['value'])",
        "import csv\nwith open('rows.csv') as f:\n  for n, r in enumerate(csv.reader(f)):\n    if n: note(r)",
        "d = {}\nfor line in open('lines.txt'):\n  line = line.strip()\n  if line and not line.startswith('#'):\n"
        "    k, v = line.split('=', 1); d[k.strip()] = v.strip()\nnote(d)",
        "d = dict(l.strip().split('=') for l in open('lines.txt') if '=' in l and not l.startswith('#')); note(d['FLAG'])",
        "import shlex; note(shlex.split('a \"b c\" d'))",
        "note(json.dumps({'a': [1, True]}))",
        "import base64; note(base64.b64decode('MQ==').decode())",
        "import io; note(io.StringIO('a\\nb').read()); note([x for x in io.StringIO('a\\nb')])",
        "open('new.txt', 'w').write('1'); note(open('new.txt').read())",
        "with open('new2.txt', 'w') as f:\n  f.write('a')\n  print('x', file=sys.stderr)\nnote(os.path.exists('new2.txt'))",
        "import copy\na = {'x': [1]}; b = copy.deepcopy(a); b['x'].append(2); note(a); note(b)",
        "import urllib.parse as u; r = u.urlparse('http://h:80/p?debug=1'); note(r.hostname); note(r.port); note(u.parse_qs(r.query))",
        "exec(compile(open('conf.py').read(), 'conf.py', 'exec')); note(DEBUG)",
        "ns = {}; exec(open('conf.py').read(), ns); note(ns['DEBUG'])",
        "note(eval('1 + 2')); x = 4; note(eval('x * 2')); note(eval('y', {'y': 3}))",
        "def f():\n  z = 5\n  return eval('z + 1')\nnote(f())",
    ],
    "paths": [
        "note(os.path.join('a', 'b', '..', 'c')); note(os.path.normpath('a/../b')); note(os.path.splitext('a.tar.gz'))",
        "note(os.path.exists('settings.json')); note(os.path.isfile('pkg')); note(os.path.isdir('pkg')); note(os.path.exists('nope'))",
        "note(os.path.expanduser('~/x')); note(os.path.expandvars('$STAGE/${PORT}/$NOPE'))",
        "from pathlib import Path\np = Path('a') / 'b.txt'; note(str(p)); note(p.name); note(p.stem); note(p.suffix); "
        "note(str(p.with_suffix('.x'))); note(str(p.parent)); note(p.parts); note(str(Path.home()))",
        "from pathlib import Path\nnote(Path('settings.json').exists()); note(Path('pkg').is_dir()); note(Path('nope').exists())",
        "from pathlib import Path\nh = Path(__file__).resolve().parent; note((h / 'settings.json').is_file()); note((h / 'pkg').name)",
        "import glob; note(sorted(glob.glob('*.json'))); from pathlib import Path; note(sorted(p.name for p in Path('.').glob('*.toml')))",
        "note(sorted(f for f in os.listdir('pkg') if f.endswith('.py')))",
        "note(os.path.basename(os.path.dirname('/a/b/c')))",
        "import fnmatch; note(fnmatch.fnmatch('a.py', '*.py'))",
    ],
    "environment": [
        "note(os.environ.setdefault('STAGE', 'x')); note(os.environ.setdefault('NEW', 'x')); note(os.getenv('NEW'))",
        "note(os.environ.pop('STAGE')); note(os.environ.get('STAGE')); note(os.environ.pop('NOPE', 4))",
        "os.environ.update(A='1', B='2'); note(os.environ['A'] + os.getenv('B'))",
        "e = os.environ.copy(); e['STAGE'] = 'x'; note(os.environ['STAGE']); note(e['STAGE'])",
        "note({k: v for k, v in os.environ.items() if k == 'STAGE'}); note('STAGE' in os.environ); note('NOPE' not in os.environ)",
        "try:\n  os.environ['NOPE']\nexcept KeyError as e:\n  note('no'); note(e.args[0] if False else 1)",
        "note(int(os.environ.get('PORT', 80))); note(bool(os.environ.get('EMPTY'))); note(os.environ.get('LIST').split(','))",
        "try:\n  int(os.environ['STAGE'])\nexcept ValueError:\n  note('not a number')",
        "note(os.environ.get('FLAG', 'false').lower() in ('true', '1', 't'))",
        "from os import environ, getenv as g; note(environ['STAGE']); note(g('NOPE', 'd'))",
        "del os.environ['STAGE']; note(os.getenv('STAGE'))",
        "def env(n, d=None, c=str):\n  v = os.getenv(n)\n  return d if v is None else c(v)\nnote(env('PORT', 1, int)); note(env('X', 2))",
        "def env_bool(n, d=False):\n  return {'true': True, 'false': False}.get(os.getenv(n, '').lower(), d)\nnote(env_bool('FLAG')); note(env_bool('X'))",
    ],
    "statements": [
        "a, *b, c = [1, 2, 3, 4]; note(b); (x, y), z = (1, 2), 3; note(y)",
        "try:\n  a, b = [1]\nexcept ValueError:\n  note('few')",
        "for i in range(3):\n  if i == 1: continue\n  note(i)\nelse:\n  note('end')",
        "n = 3\nwhile n:\n  n -= 1\n  if n == 1: break\nelse:\n  note('no')\nnote(n)",
        "try:\n  1 / 0\nexcept ZeroDivisionError:\n  note('zero')\nelse:\n  note('no')\nfinally:\n  note('end')",
        "def f():\n  try:\n    return 1\n  finally:\n    note('f')\nnote(f())",
        "class E(Exception): pass\nclass F(E): pass\ntry:\n  raise F('x')\nexcept E as e:\n  note(str(e)); note(type(e).__name__)",
        "class E(Exception):\n  def __init__(s, c): s.code = c\ntry:\n  raise E(3)\nexcept (KeyError, E) as e:\n  note(e.code)",
        "try:\n  try:\n    raise KeyError('a')\n  except KeyError:\n    raise\nexcept Exception as e:\n  note('again')",
        "try:\n  raise ValueError('x') from None\nexcept TypeError:\n  note(1)\nexcept ValueError:\n  note(2)",
        "try:\n  None.x\nexcept AttributeError:\n  note('none')\ntry:\n  nope\nexcept NameError:\n  note('name')",
        "try:\n  'a' + 1\nexcept TypeError:\n  note('type')\ntry:\n  [][0]\nexcept LookupError:\n  note('index')",
        "try:\n  (lambda x: x)()\nexcept TypeError:\n  note('argument')\ntry:\n  (lambda: 1)(2)\nexcept TypeError:\n  note('more')",
        "try:\n  sys.exit(3)\nexcept SystemExit:\n  note('exit')\nsys.exit()\nnote('never')",
        "x = 1\ndef f():\n  global x\n  x += 1\nf(); note(x)",
        "def f():\n  n = 0\n  def g():\n    nonlocal n\n    n += 1\n    return n\n  g()\n  return g()\nnote(f())",
        "l = [1, 2, 3]; del l[0]; note(l); d = {'a': 1}; del d['a']; note(d); l += [4]; note(l)",
        "match ('run', {'debug': True}):\n  case ('run', {'debug': d}): note(d)\n  case _: note('no')",
        "match [1, 2, 3]:\n  case [1, *rest] if len(rest) == 2: note(rest)\nmatch 5:\n  case int(x) if x > 9: note(1)\n  case int(x): note(x)",
        "match os.environ.get('STAGE'):\n  case 'prod': note(1)\n  case 'dev' | 'test' as s: note(s)\n  case None: note(3)",
        "if (n := len('abc')) > 2: note(n)\nnote([y for x in range(4) if (y := x * 2) > 2]); note(y)",
        "note(1 < 2 < 3); note(1 < 3 < 2); note('a' if [] else 'b'); note(not ''); note(None or 'x'); note(0 and 1)",
        "note(f'{3:>5}|{1.5:.2f}|{\"a\"!r}|{7:03d}|{{}}'); note('%s-%d-%05.1f' % ('a', 3, 2.5)); note('{0}{b}{0!r:>4}'.format('x', b=1))",
        "note('abc'[1:]); note('abc'[::-1]); note([1, 2, 3, 4][-2:]); note((1, 2, 3)[:1]); note('a,b'.partition(','))",
        "note('  A '.strip().lower().replace('a', 'b').upper().zfill(3).title()); note('a-b_c'.translate(str.maketrans('-_', '  ')))",
        "note(' '.join(str(i) for i in (1, 2))); note(b'ab'.decode() + 'c'.encode().decode()); note('x'.join(['a', 'b']))",
        "def f(a, b=2, *c, d=4, **e): return [a, b, c, d, e]\nnote(f(1)); note(f(1, 3, 5, d=6, z=7)); note(f(*[1, 2], **{'d': 3}))",
        "assert True; note(1)\nassert 0, 'no'\nnote(2)",
        "import contextlib\nwith contextlib.suppress(KeyError):\n  {}['a']\n  note('no')\nnote('after')",
        "@__import__('contextlib').contextmanager\ndef c(x):\n  note('in')\n  try:\n    yield x + 1\n  finally:\n    note('out')\nwith c(1) as v: note(v)",
        "class M:\n  def __enter__(s): note('in'); return 5\n  def __exit__(s, *a): note(a[0] is None); return True\n"
        "with M() as m: note(m)\nwith M():\n  raise ValueError\nnote('kept')",
        "def g():\n  yield 1\n  note('between')\n  yield 2\nfor v in g(): note(v)\nnote(list(g())); note(next(g()))"
        if False
        else "def g():\n  yield 1\n  note('between')\n  yield 2\nfor v in g(): note(v)",
        "def g(n):\n  while True:\n    yield n\n    n += 1\nfor v in g(3):\n  if v > 5: break\n  note(v)",
        "def g():\n  yield from [1, 2]\n  yield 3\nnote(sum(g())); note([*g()]); note(sorted(g(), reverse=True))",
        "def g():\n  for i in range(3):\n    yield i\ndef f():\n  for x in g():\n    if x == 1: return x\nnote(f())",
        "x: int = 5; note(x); y: str; note('y' in globals())",
        "exec('q = 1'); note(q); note(globals()['q']); globals()['w'] = 2; note(w); note('w' in dir())",
    ],
    "built-ins": [
        "note(sorted({'b': 1, 'a': 2})); note(sorted(['bb', 'a'], key=len)); note(min(3, 1)); note(max([1, 5], key=lambda v: -v)); note(max([], default=0))",
        "note(list(zip([1, 2], 'ab'))); note(list(map(str, [1, 2]))); note(list(filter(None, [0, 1, '']))); note(list(enumerate('ab', 1)))",
        "note(any(x > 1 for x in [1, 2])); note(all([])); note(sum([1, 2], 3)); note(list(reversed([1, 2]))); note(abs(-2)); note(round(2.567, 1))",
        "note(isinstance(1, int)); note(isinstance('a', (int, str))); note(isinstance([], dict)); note(isinstance(True, int)); note(issubclass(bool, int))",
        "note(int('0x1F', 16)); note(int(' 7 ')); note(float('1.5')); note(bool('False')); note(str(1.0)); note(int(3.9)); note(int(True))",
        "note(getattr('a', 'nope', 3)); note(hasattr([], 'append')); note(callable(len)); note(len({1, 2, 2})); note(type(1) is int); note(type('a').__name__)",
        "d = dict(a=1); d |= {'b': 2}; note(d | {'c': 3}); note(dict([('a', 1)])); note(dict.fromkeys('ab', 0)); note({**d}['a'])",
        "d = {'a': 1}; note(d.get('b')); note(d.setdefault('b', 2)); note(d.pop('a')); note(list(d.items())); note(d.popitem()); d.clear(); note(d)",
        "l = [3, 1]; l.sort(); l.append(5); l.insert(0, 9); l.extend((7,)); note(l); note(l.index(5)); l.remove(9); note(l.pop()); l.reverse(); note(l); note(l.count(1))",
        "s = {1, 2}; s.add(3); s.discard(1); note(s == {2, 3}); note({1} | {2} == {1, 2}); note({1, 2} & {2}); note({1} <= {1, 2}); note({1, 2} - {1})",
        "note(chr(65) + str(ord('a'))); note(bin(5)); note(hex(255)); note(divmod(7, 2)); note(pow(2, 3) if False else 2 ** 3); note(7 // 2); note(-7 % 3); note(1 << 3)",
        "i = iter([1, 2]); note(next(i)); note(next(i)); note(next(i, 'end'))",
        "try:\n  next(iter([]))\nexcept StopIteration:\n  note('end')",
        "note([1, 2] == [1, 2]); note((1, 2) < (1, 3)); note('b' > 'a'); note({'a': 1} == {'a': 1}); note([] == ()); note(1 == 1.0); note('1' == 1)",
        "class A: x = 1\na = A(); setattr(a, 'y', 2); note(a.y); note(vars(a)); delattr if False else note(hasattr(a, 'z')); a.__dict__['w'] = 3; note(a.w)",
        "T = type('T', (), {'x': 5, 'f': lambda s: s.x + 1}); note(T().f()); note(T.__name__)",
        "note('a' in 'abc'); note(2 in [1, 2]); note('k' in {'k': 1}); note(3 not in (1, 2)); note(None is None); note([] is [])",
        "note(repr('a')); note(str([1, 'a'])); note(f'{[1]}'); note(format(5, '03d')); note(str(None)); note(ascii('a') if False else 1)",
        "note(bytes([65]).decode()); note(bytes('a', 'utf-8')); note(b'a' + b'b'); note('é'.encode().hex())",
    ],
    "classes": [
        "class A:\n  def f(s): return 1\nclass B(A):\n  def f(s): return super().f() + 1\nclass C(A):\n  def f(s): return super().f() * 10\n"
        "class D(B, C): pass\nnote(D().f()); note([k.__name__ for k in D.__mro__][:3])",
        "class A:\n  @property\n  def x(s): return s._x\n  @x.setter\n  def x(s, v): s._x = v * 2\n"
        "a = A(); a.x = 4; note(a.x)\ntry:\n  A().x\nexcept AttributeError: note('no')",
        "class A:\n  n = 0\n  @classmethod\n  def make(cls, v): o = cls(); o.v = v; cls.n += 1; return o\n  @staticmethod\n  def s(v): return v + 1\n"
        "note(A.make(3).v); note(A.s(1)); note(A().s(2)); note(A.n)",
        "class A:\n  def __getattr__(s, n): return n.upper()\n  def __getitem__(s, k): return k * 2\n  def __call__(s, v=1): return v\n"
        "  def __len__(s): return 0\n  def __contains__(s, v): return v == 1\n  def __iter__(s): return iter([7, 8])\n"
        "  def __eq__(s, o): return True\n  def __str__(s): return 'me'\n  def __add__(s, o): return o\n"
        "a = A(); note(a.abc); note(a[2]); note(a(5)); note(bool(a)); note(1 in a); note(list(a)); note(a == 3); note(str(a)); note(f'{a}'); note(a + 6)",
        "class A:\n  def __init__(s, **k):\n    for n, v in k.items(): setattr(s, n, v)\nnote(A(debug=True).debug)",
        "class A:\n  def __setattr__(s, n, v): super().__setattr__(n, v + 1)\na = A(); a.x = 1; note(a.x)",
        "class A:\n  _i = None\n  def __new__(cls):\n    if cls._i is None: cls._i = super().__new__(cls)\n    return cls._i\nnote(A() is A())",
        "class A:\n  def __init_subclass__(cls, **k): cls.tag = k.get('t', 'none')\nclass B(A, t='x'): pass\nnote(B.tag)",
        "class D:\n  def __get__(s, o, t=None): return 9\n  def __set_name__(s, o, n): s.n = n\nclass A: x = D()\nnote(A().x)",
        "class C(dict):\n  def __getattr__(s, k): return s[k]\nc = C(a=1); c['b'] = 2; note(c.a); note(c.b); note(len(c)); note(dict(c))",
        "class L(list):\n  def first(s): return s[0]\nl = L([4, 5]); l.append(6); note(l.first()); note(len(l)); note(list(l))",
        "class S(str):\n  def shout(s): return s.upper() + '!'\ns = S('ab'); note(s.shout()); note(s == 'ab'); note(s + 'c')",
        "from dataclasses import dataclass, field, asdict\n@dataclass\nclass C:\n  a: int\n  b: bool = False\n  c: list = field(default_factory=list)\n"
        "  def __post_init__(s): s.d = s.a + 1\nx = C(1, b=True); note(x.b); note(x.c); note(x.d); note(asdict(x))",
        "from dataclasses import dataclass, replace\n@dataclass(frozen=True)\nclass P:\n  x: int = 1\n@dataclass(frozen=True)\nclass Q(P):\n  y: int = 2\nnote(replace(Q(), y=5).y); note(Q(3).x)",
        "from dataclasses import dataclass\n@dataclass\nclass C:\n  a: int\ntry:\n  C()\nexcept TypeError: note('needs a')",
        "from enum import Enum, IntEnum, auto\nclass E(Enum):\n  DEV = 'dev'\n  PROD = 'prod'\n  @property\n  def debug(s): return s is E.DEV\n"
        "note(E(os.environ['STAGE']).debug); note(E['PROD'].value); note(E.DEV.name); note([m.value for m in E]); note(E('dev') == E.DEV)\n"
        "try:\n  E('x')\nexcept ValueError: note('none')",
        "from enum import Enum, IntEnum, auto\nclass E(str, Enum):\n  A = 'a'\nnote(E.A == 'a'); note(E('a') is E.A)\nclass I(IntEnum):\n  X = auto()\n  Y = auto()\nnote(I.Y + 1); note(I.X < I.Y)",
        "from typing import NamedTuple\nclass N(NamedTuple):\n  host: str\n  port: int = 5\nn = N('h'); note(n.port); note(n[0]); h, p = n; note(h); note(n._replace(port=6).port); note(n._asdict())",
        "from collections import namedtuple\nP = namedtuple('P', 'x y'); p = P(1, y=2); note(p.y); note(p.x); note(tuple(p)); note(P._fields)",
        "from abc import ABC, abstractmethod\nclass A(ABC):\n  @abstractmethod\n  def f(s): ...\n  def g(s): return s.f()\nclass B(A):\n  def f(s): return 3\nnote(B().g())",
        "class M(type): pass\nclass A: pass\nnote(isinstance(A(), A)); note(issubclass(bool, int)); note(A().__class__.__name__)",
        "import functools\nclass A:\n  @functools.cached_property\n  def x(s): note('once'); return 3\na = A(); note(a.x); note(a.x)",
        "class A:\n  registry = {}\n  @classmethod\n  def reg(cls, n):\n    def d(f): cls.registry[n] = f; return f\n    return d\n@A.reg('x')\ndef f(): return 5\nnote(A.registry['x']())",
        "def deco(n):\n  def wrap(f):\n    def inner(*a, **k): return f(*a, **k) + n\n    return inner\n  return wrap\n@deco(10)\ndef f(x): return x\nnote(f(1))",
        "def cls_deco(c): c.tag = 1; return c\n@cls_deco\nclass A: pass\nnote(A.tag)",
        "class A:\n  x = [i * 2 for i in range(3)]\n  y = x[1]\nnote(A.y); A.z = 3; note(A().z); note(getattr(A, 'y'))",
        "class Base:\n  DEBUG = False\nclass Dev(Base):\n  DEBUG = True\nc = {'dev': Dev, 'prod': Base}; note(c[os.environ['STAGE']].DEBUG); note(globals()['Dev'].DEBUG)",
    ],
    "library": [
        "from functools import partial, reduce, lru_cache, wraps\nnote(partial(int, base=2)('11')); note(reduce(lambda a, b: a + b, [1, 2, 3]))\n"
        "@lru_cache(maxsize=None)\ndef f(x): note('run'); return x\nf(1); note(f(1))",
        "from functools import wraps\ndef d(f):\n  @wraps(f)\n  def w(*a): return f(*a) * 2\n  return w\n@d\ndef g(x): return x\nnote(g(2)); note(g.__name__)",
        "from collections import defaultdict, OrderedDict, Counter, ChainMap, deque\nd = defaultdict(list); d['a'].append(1); note(dict(d))\n"
        "note(ChainMap({}, {'a': 1}, {'a': 2})['a']); note(ChainMap({'x': 1}, os.environ).get('STAGE')); note(Counter('aab')['a']); q = deque([1]); q.appendleft(0); note(list(q))",
        "import itertools; note(list(itertools.chain([1], [2]))); note(list(itertools.islice([1, 2, 3], 2))); note(list(itertools.chain.from_iterable([[1], [2]])))",
        "import operator; note(operator.itemgetter('a')({'a': 1})); note(operator.attrgetter('real')(3)); note(operator.eq(1, 1))",
        "from types import SimpleNamespace as N; n = N(a=1, **{'b': 2}); note(n.a + n.b)",
        "import re; m = re.match(r'(\\w+)=(\\d+)', 'port=80'); note(m.group(2)); note(bool(re.search('x', 'abc'))); note(re.sub('a', 'b', 'aa')); note(re.compile('^de').match('dev') is not None); note(re.split(',', 'a,b'))",
        "import string; note(string.Template('$a-${b}').substitute(a=1, b=2)); import textwrap; note(textwrap.dedent('  a\\n  b'))",
        "import threading\nt = threading.Thread(target=lambda v: note(v), args=(1,)); t.start(); t.join(); note(2)",
        "import threading\nclass T(threading.Thread):\n  def __init__(s, v): super().__init__(); s.v = v\n  def run(s): note(s.v)\nt = T(3); t.start(); t.join()",
        "import concurrent.futures as c\nwith c.ThreadPoolExecutor() as p:\n  f = p.submit(lambda a, b=1: a + b, 1, b=2); note(f.result()); note(list(p.map(str, [1, 2])))",
        "import asyncio\nasync def f(v):\n  await asyncio.sleep(0)\n  return v + 1\nasync def main():\n  note(await f(1)); note(await asyncio.gather(f(1), f(2)))\nasyncio.run(main())",
        "import asyncio\nasync def main():\n  t = asyncio.create_task(g()); note(await t)\nasync def g(): return 4\nasyncio.run(main())",
        "import asyncio\nasync def gen():\n  yield 1\n  yield 2\nasync def main():\n  async for x in gen(): note(x)\n  note([x async for x in gen()])\nasyncio.run(main())",
        "import asyncio\nclass C:\n  async def __aenter__(s): note('in'); return 3\n  async def __aexit__(s, *a): note('out')\nasync def main():\n  async with C() as c: note(c)\nasyncio.run(main())",
        "import importlib; note(importlib.import_module('conf').DEBUG); note(importlib.import_module('.inner', 'pkg').VALUE); note(__import__('conf').NAME)",
        "import pkg; note(pkg.VALUE); from pkg import other; note(other.HERE); import pkg.inner as i; note(i.VALUE); import space.part; note(space.part.X)",
        "import importlib.util as u; note(u.find_spec('conf') is not None); note(u.find_spec('nope') is None)",
        "import importlib.util as u\ns = u.spec_from_file_location('c', 'conf.py'); m = u.module_from_spec(s); s.loader.exec_module(m); note(m.DEBUG)",
        "import runpy; note(runpy.run_path('conf.py')['DEBUG']); note(runpy.run_path('conf.py', run_name='x')['NAME'])",
        "try:\n  import nope\nexcept ImportError:\n  nope = None\nnote(nope)\ntry:\n  import broken\nexcept ImportError:\n  note('broken')\ntry:\n  from conf import NOPE\nexcept ImportError: note('no name')",
        "note('conf' in sys.modules); import conf; note('conf' in sys.modules); note(sys.modules['conf'].DEBUG)",
        "sys.path.insert(0, 'space'); import part; note(part.X)",
        "note(sys.platform); note(sys.gettrace()); note(sys.version_info >= (3, 8)); note(sys.version_info[0] == 3); note(hasattr(sys, 'frozen')); note(getattr(sys, 'frozen', False)); note(sys.flags.optimize)",
        "import platform; note(platform.system()); note('gunicorn' in sys.modules); note('SERVER_SOFTWARE' in os.environ)",
        "from contextlib import ExitStack, nullcontext, closing\nwith ExitStack() as s, nullcontext(4) as n: note(n)",
        "import logging, warnings, time, random, datetime, uuid\nlogging.basicConfig(level=logging.INFO); logging.getLogger('x').info('a'); warnings.warn('x') if 0 else note(1)",
        "import atexit\natexit.register(lambda: note('end')); atexit.register(note, 'first'); note('now')",
        "import signal\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(0)); note(1)",
        "import math; note(math.floor(2.5)); note(math.pi > 3)",
        "from typing import Optional, List, TYPE_CHECKING, cast\ndef f(x: Optional[int] = None) -> List[str]: return cast(int, x)\nnote(f(2)); note(TYPE_CHECKING); note(f.__name__)",
        "import inspect; note(__name__); note(os.path.basename(__file__))",
    ],
}
CASES = [
    pytest.param(topic, text, id=f"{topic}-{number}")
    for topic, texts in TEXTS.items()
    for number, text in enumerate(texts)
]

CHILD = """
import argparse, json, os, sys, shutil, tempfile
import ast, asyncio, atexit, base64, collections, concurrent.futures, configparser, contextlib, copy
import csv, dataclasses, datetime, enum, functools, getopt, glob, importlib.util, inspect, io
import itertools, logging, operator, optparse, pathlib, platform, random, re, runpy, shlex, signal
import string, textwrap, threading, tomllib, types, typing, urllib.parse, uuid
data = json.load(sys.stdin)
def shown(v, depth=0):
    if v is None or type(v) in (bool, int, float, str): return v
    if isinstance(v, bytes): return ["bytes", v.decode("latin-1")]
    if isinstance(v, (set, frozenset)): return ["set", sorted(map(repr, v))]
    if isinstance(v, (list, tuple)): return [type(v).__name__ if type(v) in (list, tuple) else "tuple", [shown(i) for i in v]]
    if isinstance(v, dict): return ["dict", [[k, shown(i)] for k, i in v.items()]]
    return type(v).__name__
results = []
for text in data["texts"]:
    folder = tempfile.mkdtemp()
    for name, content in data["files"].items():
        path = os.path.join(folder, name); os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f: f.write(content)
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_RDWR), 2); os.dup2(2, 1)
        os.chdir(folder); os.environ.clear(); os.environ.update(data["variables"])
        sys.path.insert(0, folder); sys.argv = ["app.py", "--debug"]
        notes = []
        def save():
            with os.fdopen(write, "w") as f: f.write(json.dumps(notes))
        atexit._clear(); atexit.register(save)
        names = {"__name__": "__main__", "__file__": os.path.join(folder, "app.py"), "note": lambda v: notes.append(shown(v))}
        main = type(sys)("__main__"); main.__dict__.update(names); sys.modules["__main__"] = main
        try:
            exec(compile(data["head"] + text, "app.py", "exec"), main.__dict__)
        except BaseException:
            pass
        atexit._run_exitfuncs(); os._exit(0)
    os.close(write)
    with os.fdopen(read) as f: found = f.read()
    os.waitpid(pid, 0); shutil.rmtree(folder)
    results.append(json.loads(found) if found else None)
json.dump(results, sys.stdout)
"""
HEAD = "import argparse, json, os, sys\np = argparse.ArgumentParser()\n"


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    """Run every text for real, in one child that forks for each."""
    texts = [text for texts in TEXTS.values() for text in texts]
    data = {"texts": texts, "files": FILES, "variables": VARIABLES, "head": HEAD}
    made = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(data), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return dict(zip(texts, json.loads(made.stdout), strict=True))


def shown(value: Value) -> Any:  # noqa: ANN401  (one for each kind)
    """Return a value as the child shows Python's."""
    match value:
        case Known(value=bytes() as raw):
            return ["bytes", raw.decode("latin-1")]
        case Known(value=constant) if constant is None or isinstance(
            constant, bool | int | float | str
        ):
            return constant
        case Known(value=constant):
            return type(constant).__name__
        case Items(kind=kind) if kind in {set, frozenset}:
            return ["set", sorted(repr(i.value) for i in value.items if isinstance(i, Known))]
        case Items(kind=kind):
            named = "tuple" if kind is tuple else "list"
            return [named, [shown(item) for item in value.items]]
        case Mapped(slots=slots):
            return ["dict", [[key, shown(entry)] for key, entry in slots.items()]]
        case Instance(slots={"<held>": held}):
            return shown(held)
        case _:
            return "?"


@pytest.mark.parametrize(("topic", "text"), CASES)
def test_a_program_notes_what_python_notes(topic: str, text: str, real: dict[str, Any]) -> None:
    files = {f"/srv/app/{name}": content for name, content in FILES.items()}
    outcome = evaluate(HEAD + text, files, python=sys.version_info[:2], variables=VARIABLES)
    assert outcome.unseen == (), topic
    noted = [e for e in outcome.effects if e.name == "note"]
    assert [shown(e.values["0"]) for e in noted] == real[text]
    assert [e.conditions for e in noted if e.conditions] == []


def test_the_child_runs_every_text(real: dict[str, Any]) -> None:
    assert len(real) == len(CASES)
    assert all(notes is not None for notes in real.values())
    assert Path(sys.executable).exists()
