* HP memristor. The state is x0 + v(u), port x carries it. Node u is an offset that is 0 at rest: the inductor holds it in
* .op and .dc (where "time" is the swept value, so that time > 0 does not mean a transient) and is open in a transient.
* Bup moves the state at positive current, Bdown at negative current, each by the rate of its window.
.subckt hp p n x params: r_on=100.0 r_off=16e3 d=10e-9 mu_v=1e-14 x0=0.31446540880503143 window=2 p_window=1.0
+ j_window=1.0 ramp=0.01
.param slope={r_off-r_on} drift={mu_v*r_on/(d*d)} twice={2*p_window}
Bcell p n i = v(p,n)/(({r_off})-({slope})*max(0,min(1,({x0})+v(u))))
Bup 0 u i = time > 0
+ ? ({drift})*max(0,v(p,n))/(({r_off})-({slope})*max(0,min(1,({x0})+v(u))))*(({window}) < 0.5
+ ? max(-1,min(1,(1-({x0})-v(u))/({ramp})))
+ : (({window}) < 1.5 ? 1-pow(abs(2*max(0,min(1,({x0})+v(u)))-1),({twice}))
+ : (({window}) < 2.5 ? 1-pow(max(0,min(1,({x0})+v(u))),({twice}))
+ : ({j_window})*(1-pow((max(0,min(1,({x0})+v(u)))-0.5)*(max(0,min(1,({x0})+v(u)))-0.5)+0.75,({p_window}))))))
+ : 0
Bdown 0 u i = time > 0
+ ? ({drift})*min(0,v(p,n))/(({r_off})-({slope})*max(0,min(1,({x0})+v(u))))*(({window}) < 0.5
+ ? max(-1,min(1,(({x0})+v(u))/({ramp})))
+ : (({window}) < 1.5 ? 1-pow(abs(2*max(0,min(1,({x0})+v(u)))-1),({twice}))
+ : (({window}) < 2.5 ? 1-pow(1-max(0,min(1,({x0})+v(u))),({twice}))
+ : ({j_window})*(1-pow((max(0,min(1,({x0})+v(u)))-0.5)*(max(0,min(1,({x0})+v(u)))-0.5)+0.75,({p_window}))))))
+ : 0
Cu u 0 1
Lu u 0 1e20
Bx 0 x i = ({x0})+v(u)
Rx x 0 1
.ends hp
