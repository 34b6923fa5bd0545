# fish completion for cim(1); the program itself knows what can follow.

function __cim_complete
    set -l words (commandline --tokenize --current-process --cut-at-cursor)
    set -l typed (commandline --current-token --cut-at-cursor)
    set -l reply ($words[1] complete -- $words[2..-1] "$typed" 2>/dev/null)
    switch "$reply[1]"
        case words paths
            set -q reply[2]; and printf '%s\n' $reply[2..-1]
        case directories
            __fish_complete_directories "$typed" ''
        case images
            __fish_complete_suffix "$typed" .cim
        case '*'
            __fish_complete_path "$typed"
    end
end

complete --command cim --no-files --arguments '(__cim_complete)'
