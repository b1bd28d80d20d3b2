"""`--completion bash|zsh|fish`: what a shell completes, written from the argument parser itself."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_FILES = ("FILE", "PATH", "OLD", "FORMAT=FILE", "DIR")


class _Option:
    """One option: its flags, what it says, and what its value is."""

    __slots__ = ("action", "flags", "help", "name", "takes_file", "takes_value", "words")

    def __init__(self, action: argparse.Action, words: Mapping[str, Sequence[str]]) -> None:
        self.action = action
        self.flags = list(action.option_strings)
        self.help = plain_help(action)
        self.name = (action.metavar if isinstance(action.metavar, str) else action.dest.upper()).replace("%%", "%")
        self.takes_value = action.nargs != 0
        self.words = [str(choice) for choice in action.choices or words.get(self.name, ())]
        self.takes_file = self.takes_value and not self.words and is_file(self.name)


class _Command:
    """A program, or one of its subcommands."""

    __slots__ = ("help", "name", "options", "positional_words")

    def __init__(
        self, name: str, help: str, parser: argparse.ArgumentParser, words: Mapping[str, Sequence[str]]
    ) -> None:
        self.name = name
        self.help = help
        self.options = [_Option(action, words) for action in options_of(parser)]
        self.positional_words = [
            str(choice)
            for action in parser._actions
            if not action.option_strings and not isinstance(action, argparse._SubParsersAction)
            for choice in action.choices or ()
        ]


def script(parser: argparse.ArgumentParser, shell: str, words: Mapping[str, Sequence[str]] | None = None) -> str:
    """The script that teaches a shell (`bash`, `zsh`, `fish`) a program.

    `words` are what the values of some metavars can be, `{"RULE": [...]}`, besides those that have choices.
    """
    words = words or {}
    top = _Command("", parser.description or "", parser, words)
    below = [_Command(name, help, each, words) for name, help, each in subcommands(parser)]
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](parser.prog, top, below)


def options_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The options of a parser that its help shows, in its order."""
    for action in parser._actions:
        if action.option_strings and action.help != argparse.SUPPRESS:
            yield action


def subcommands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, help and parser of every subcommand."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield choice.dest, choice.help or "", action.choices[choice.dest]


def plain_help(action: argparse.Action) -> str:
    """The help of an option as it is shown: argparse writes `%%` for a percent sign."""
    return (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")


def is_file(metavar: str) -> bool:
    """Whether a value of this name is a file: `FILE`, `OLD.yaml`."""
    return metavar in _FILES or metavar.rpartition(".")[2] in ("yaml", "json", "toml")


def _bash(program: str, top: _Command, below: Sequence[_Command]) -> str:
    function = "_" + program.replace("-", "_")
    values = []
    flags = []
    for command in (top, *below):
        for option in command.options:
            if option.takes_value:
                label = "|".join(f"{command.name}:{flag}" for flag in option.flags)
                reply = (
                    f"COMPREPLY=($(compgen -W '{' '.join(option.words)}' -- \"$current\")); " if option.words else ""
                )
                values.append(f"        {label}) {reply}return ;;")
        names = " ".join(flag for option in command.options for flag in option.flags)
        flags.append(f"        {command.name}:-*) COMPREPLY=($(compgen -W '{names}' -- \"$current\")) ;;")
        if command.positional_words:
            words = " ".join(command.positional_words)
            flags.append(f"        {command.name}:*) COMPREPLY=($(compgen -W '{words}' -- \"$current\")) ;;")
    find = ""
    if below:
        names = " ".join(command.name for command in below)
        flags.append(f"        :*) COMPREPLY=($(compgen -W '{names}' -- \"$current\")) ;;")
        find = (
            '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do\n'
            f"        case $word in {names.replace(' ', '|')}) command=$word; break ;; esac\n"
            "    done\n"
        )
    return (
        f"# bash completion of {program}; load it with:  source <({program} --completion bash)\n"
        f"{function}() {{\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= word=\n"
        "    # bash splits `--format=json` at its `=`.\n"
        "    if [[ $current == = ]]; then current=\n"
        "    elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
        f"{find}"
        "    COMPREPLY=()\n"
        "    case $command:$previous in\n" + "\n".join(values) + "\n    esac\n"
        "    case $command:$current in\n" + "\n".join(flags) + "\n    esac\n"
        "}\n"
        # Where nothing is offered, readline offers files.
        f"complete -o default -F {function} {program}\n"
    )


def _zsh(program: str, top: _Command, below: Sequence[_Command]) -> str:
    def arguments(command: _Command, indent: str) -> str:
        return " \\\n".join(f"{indent}{_quoted(spec)}" for spec in _zsh_specs(command))

    body = f"    _arguments -s -S \\\n{arguments(top, '        ')}"
    if not below:
        body += " \\\n        '*:file:_files'\n"
    else:
        names = " ".join(f'{command.name}\\:"{_zsh_text(command.help)}"' for command in below)
        body += f" \\\n        {_quoted(f'1:command:(({names}))')} \\\n        '*::argument:->argument' && return\n"
        body += "    [[ $state == argument ]] || return\n    case $words[1] in\n"
        for command in below:
            words = f"({' '.join(command.positional_words)})" if command.positional_words else "_files"
            own = f"{arguments(command, '            ')} \\\n            '*:argument:{words}'"
            body += f"    {command.name}) _arguments -s -S \\\n{own} ;;\n"
        body += "    esac\n"
    return (
        f"#compdef {program}\n"
        f"# zsh completion of {program}: save it as _{program} in a folder of $fpath, or load it with\n"
        f"#   source <({program} --completion zsh)\n"
        f"_{program}() {{\n"
        "    local context state state_descr line\n"
        "    typeset -A opt_args\n"
        f"{body}"
        "}\n"
        f'if [[ $funcstack[1] == _{program} ]]; then _{program} "$@"; else compdef _{program} {program}; fi\n'
    )


def _zsh_specs(command: _Command) -> Iterator[str]:
    for option in command.options:
        value = ""
        if option.takes_value:
            words = f"({' '.join(option.words)})" if option.words else "_files" if option.takes_file else " "
            value = f":{_zsh_text(option.name)}:{words}"
        once = "" if isinstance(option.action, argparse._AppendAction) else f"({' '.join(option.flags)})"
        for flag in option.flags:
            sign = "=" if value and flag.startswith("--") else ""
            yield f"{once or '*'}{flag}{sign}[{_zsh_text(option.help)}]{value}"


def _zsh_text(text: str) -> str:
    for character in '\\[]:"`$':
        text = text.replace(character, f"\\{character}")
    return text


def _fish(program: str, top: _Command, below: Sequence[_Command]) -> str:
    lines = [f"# fish completion of {program}; load it with:  {program} --completion fish | source"]
    for command in (top, *below):
        condition = f" -n {_fish_quoted(f'__fish_seen_subcommand_from {command.name}')}" if command.name else ""
        if below and not command.name:
            condition = " -n __fish_use_subcommand"
        for option in command.options:
            line = f"complete -c {program}{condition}"
            for flag in option.flags:
                line += f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}"
            if option.words:
                line += f" -x -a {_fish_quoted(' '.join(option.words))}"
            elif option.takes_value:
                line += " -r -F" if option.takes_file else " -x"
            lines.append(f"{line} -d {_fish_quoted(option.help)}")
        if command.positional_words:
            lines.append(f"complete -c {program}{condition} -x -a {_fish_quoted(' '.join(command.positional_words))}")
    lines += [
        f"complete -c {program} -n __fish_use_subcommand -f -a {command.name} -d {_fish_quoted(command.help)}"
        for command in below
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def rule_words() -> dict[str, list[str]]:
    """The ids of all rules, for the options that take them."""
    from calico_lint import rules

    ids: Iterable[str] = sorted(rule.id for rule in rules.all_rules())
    return {"RULE": [*ids], "RULES": [*ids]}
