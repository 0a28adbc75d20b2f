#!/usr/bin/env bash
# Written by `imagefab init`, once; yours to change.
#
#     bash .gitlab/propose.sh BRANCH TITLE REPORT
#
# Commits what imagefab wrote, with the report as the message, and opens a merge request for it, or updates the one that
# is open. GitLab takes the description of a new one from the commit.
set -euo pipefail
branch=$1 title=$2 report=$3

git add --update
if [ -d images ]; then
    git add images
fi
if git diff --cached --quiet; then
    exit 0
fi
printf '%s\n\n' "$title" | cat - "$report" | git -c user.name=imagefab -c user.email=imagefab@localhost \
    commit --quiet --cleanup=verbatim --file=-
# The helper is given the name of the variable; git asks it for what is in there.
# shellcheck disable=SC2016
git -c credential.helper= -c credential.helper='!f() { echo username=imagefab; echo "password=$IMAGEFAB_TOKEN"; }; f' \
    push --quiet --force --push-option=merge_request.create \
    --push-option=merge_request.target="$CI_DEFAULT_BRANCH" --push-option=merge_request.title="$title" \
    "$CI_PROJECT_URL.git" "HEAD:refs/heads/$branch"
