native)
    exec "$@"
    ;;
