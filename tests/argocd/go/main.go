// The parts of Argo CD that compare, sync and judge, without its web server: half an hour of
// compiling less on a busy machine. Which part it is, is told by the name it is called by.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	sets "github.com/argoproj/argo-cd/v3/cmd/argocd-applicationset-controller/commands"
	repositories "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
)

func main() {
	parts := map[string]func() *cobra.Command{
		"argocd-application-controller":    controller.NewCommand,
		"argocd-applicationset-controller": sets.NewCommand,
		"argocd-repo-server":               repositories.NewCommand,
	}
	part, known := parts[filepath.Base(os.Args[0])]
	if !known {
		fmt.Fprintln(os.Stderr, "call it by the name of a part of Argo CD, by a link")
		os.Exit(2)
	}
	if part().Execute() != nil {
		os.Exit(1)
	}
}
